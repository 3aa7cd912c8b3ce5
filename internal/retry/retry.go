package retry

import (
	"context"
	"iter"
	"time"
)

// Try is one attempt. It is valid in its turn of the loop.
type Try struct {
	first, last, pause time.Duration
	skip               bool
}

// Pause returns how long the pause behind this attempt is.
func (t *Try) Pause() time.Duration { return t.pause }

// Restart makes the pause behind this attempt the first one again.
func (t *Try) Restart() { t.pause = t.first }

// Skip lets the next attempt follow without a pause. The pause that is left out counts: the one
// after it is longer.
func (t *Try) Skip() { t.skip = true }

// Attempts yields attempts until the body leaves the loop or ctx ends. The pause between two is
// first, and twice as long each time up to last. If both are equal, it is always the same.
func Attempts(ctx context.Context, first, last time.Duration) iter.Seq[*Try] {
	return func(yield func(*Try) bool) {
		t := &Try{first: first, last: last, pause: first}
		for yield(t) {
			if !t.skip && Sleep(ctx, t.pause) != nil {
				return
			}
			t.pause, t.skip = min(2*t.pause, t.last), false
		}
	}
}

// Sleep waits, or returns why ctx ended.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
