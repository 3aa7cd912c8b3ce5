package torture

import (
	"context"
	"time"
)

// killProcessors kills one processor after the other at random moments. Half of them come back at once, as under a supervisor, and the others
// after somebody took over.
func killProcessors(ctx context.Context, r *run) error {
	return r.each(ctx, func(int) error {
		victim := pick(r, r.processors())
		if err := r.kill(victim); err != nil {
			return err
		}
		if r.random.IntN(2) == 0 {
			r.answersAgain(ctx)
		}
		if err := r.bootReady(ctx, victim, ""); err != nil {
			return err
		}
		r.answersAgain(ctx)
		return r.wait(ctx, 0, 3*time.Second)
	})
}
