package planted

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

var finding = regexp.MustCompile(`seed (\d+): (.*)`)

// TestSimulationFindsPlantedBugs runs the engine's simulation, which must pass without a bug and
// find each of those that say what it finds.
func TestSimulationFindsPlantedBugs(t *testing.T) {
	if !*plant {
		t.Skip("it takes minutes: -plant runs it")
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		binary, err := compile(t.TempDir(), engine, nil)
		if err != nil {
			t.Fatal(err)
		}
		if output, err := simulate(binary, 1); err != nil {
			t.Errorf("without a bug: %v\n%s", err, output)
		}
	})
	for _, bug := range Bugs() {
		if bug.Simulated == "" {
			continue
		}
		t.Run(bug.Name, func(t *testing.T) {
			t.Parallel()
			binary, err := compile(t.TempDir(), engine, bug.Plant)
			if err != nil {
				t.Fatal(err)
			}
			finding, err := firstFinding(binary, bug.Simulated)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(finding)
		})
	}
}

// seeds is within how many the simulation must find a bug.
const seeds = 2000

// firstFinding returns what the simulation finds. That a run does not drain is no
// finding: elsewhere it would be a time-out.
func firstFinding(binary, says string) (string, error) {
	for first := 1; first <= seeds; {
		output, err := simulate(binary, first)
		if err == nil {
			break
		}
		seen := finding.FindSubmatch(output)
		switch {
		case seen == nil || bytes.HasPrefix(seen[2], []byte("panic")):
			return "", fmt.Errorf("it failed otherwise: %w\n%.2000s", err, output)
		case bytes.HasPrefix(seen[2], []byte("it does not drain")):
			seed, _ := strconv.Atoi(string(seen[1])) // digits, by the expression
			first = seed + 1
		case !regexp.MustCompile(says).Match(seen[2]):
			return "", fmt.Errorf("it does not say %q: %w\n%.2000s", says, err, output)
		default:
			return string(seen[0]), nil
		}
	}
	return "", fmt.Errorf("nothing is found in %d seeds", seeds)
}

// simulate runs the simulation from a seed on.
func simulate(binary string, first int) ([]byte, error) {
	cmd := exec.Command(binary, "-test.run=^TestSimulation$", fmt.Sprintf("-sim.first=%d", first), fmt.Sprintf("-sim.seeds=%d", seeds-first+1))
	cmd.Dir = filepath.Join(root, engine)
	return cmd.CombinedOutput()
}
