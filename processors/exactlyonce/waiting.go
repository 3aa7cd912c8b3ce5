package exactlyonce

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Wait is an input that is not handled yet.
type Wait struct {
	Offset int64
	// For is the time since the last input before it was handled, or since it came if that is
	// later. It is measured every second.
	For time.Duration
	// Why says what keeps it, as far as known.
	Why string
}

// watchEvery is the interval at which inputs are looked at that wait.
const watchEvery = time.Second

// waiting is an input that a lane has not handled, and the time at which it was first seen.
type waiting struct {
	offset int64
	since  time.Time
}

// watchWaits notes which inputs wait, until the generation stops.
func (g *generation) watchWaits() {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		for _, l := range g.ordered {
			l.watch(time.Now())
		}
		select {
		case <-ticker.C:
		case <-g.stop:
			return
		}
	}
}

// watch notes whether the lane's next input still waits.
func (l *lane) watch(now time.Time) {
	next, seen := l.next.Load(), l.waits.Load()
	switch {
	case next >= l.end.Load():
		l.waits.Store(nil)
	case seen == nil || seen.offset != next:
		l.waits.Store(&waiting{next, now})
	}
}

// waits returns the inputs that wait, by partition.
func (g *generation) waits() map[int32]Wait {
	all := map[int32]Wait{}
	for partition, l := range g.lanes {
		w := l.waits.Load()
		if w == nil {
			continue
		}
		wait := Wait{Offset: w.offset, For: time.Since(w.since), Why: "it is being handled"}
		if age := g.engine.committing.age(); age > watchEvery {
			wait.Why = fmt.Sprintf("the brokers have not ended a transaction for %s", age.Round(time.Second))
		}
		if why := l.waiting.Load(); why != nil {
			wait.Why = *why
		}
		all[partition] = wait
	}
	return all
}

// Waiting returns an error that names every partition whose next input has waited for longer than
// patience, whatever the reason; nil if none has.
func (r *Runner) Waiting(patience time.Duration) error {
	var late []string
	for partition, w := range r.Stats().Waiting {
		if w.For > patience {
			late = append(late, fmt.Sprintf("partition %d of %s has waited at offset %d for %s: %s",
				partition, r.group.Input, w.Offset, w.For.Round(time.Second), w.Why))
		}
	}
	if late == nil {
		return nil
	}
	slices.Sort(late)
	return fmt.Errorf("%s", strings.Join(late, "; "))
}
