package exactlyonce

import (
	"slices"
	"testing"
)

// A seed that failed is worth nothing unless it fails again.
func TestSimulationRepeatsItself(t *testing.T) {
	for seed := range uint64(40) {
		first, second := simulate(t, seed+1, 0, true), simulate(t, seed+1, 0, true)
		if first.failure != second.failure || !slices.Equal(first.trace, second.trace) {
			at := 0
			for at < min(len(first.trace), len(second.trace)) && first.trace[at] == second.trace[at] {
				at++
			}
			t.Fatalf("seed %d: two runs part after line %d: %q and %q", seed+1, at, first.trace[at:min(at+1, len(first.trace))], second.trace[at:min(at+1, len(second.trace))])
		}
	}
}
