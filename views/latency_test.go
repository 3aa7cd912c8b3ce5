package views

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// An outcome reaches its waiter without any timer in between: no fetch interval, no batching, no
// polling. The bound is far above what it takes and far below the shortest of those timers in use
// by default (100 ms), on a busy machine.
func TestOutcomeArrivesAtOnce(t *testing.T) {
	s := newSystem(t)
	set := s.start()
	outcomes := set.Outcomes("account")
	const rounds = 200
	var took []time.Duration
	for i := range int64(rounds) {
		id, command := fmt.Sprintf("acc-%d", i%13), fmt.Sprintf("cmd-%d", i)
		e := outcomes.Expect(id, command)
		cause := at(homeOf(id), i)
		produce(t, s.producer, s.outcomeRecord(accepted(id, command, 1, cause, time.Now()), cause))
		inLog := time.Now()
		if _, err := e.Wait(soon(t), cause); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(inLog))
		e.Close()
	}
	slices.Sort(took)
	t.Logf("from the log to the waiter: p50 %s, p90 %s, p99 %s", took[rounds/2], took[rounds*9/10], took[rounds*99/100])
	if took[rounds/2] > 30*time.Millisecond {
		t.Errorf("the median is %s", took[rounds/2])
	}
}
