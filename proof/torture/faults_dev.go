package torture

import (
	"context"
	"time"
)

// killDev kills `foldlog dev`, brokers, registry and all, and starts it again, over and over.
func killDev(ctx context.Context, r *run) error {
	return r.each(ctx, func(int) error {
		if err := r.wait(ctx, 0, 2*time.Second); err != nil {
			return err
		}
		if err := r.kill(r.system.Dev); err != nil {
			return err
		}
		if err := r.bootReady(ctx, r.system.Dev, ""); err != nil {
			return err
		}
		r.answersAgain(ctx)
		return nil
	})
}
