package torture

import (
	"context"
	"errors"
	"time"
)

// killRegistry kills the schema registry for a while. Running instances go on with the schemas that
// they know; one that is killed meanwhile comes back when the registry does.
func killRegistry(ctx context.Context, r *run) error {
	return r.each(ctx, func(n int) error {
		r.inflicted(hit{kind: "registry-kill"})
		mend := r.breaks("the registry", func(ctx context.Context) error {
			r.note("registry-boot", "", "")
			if _, err := r.system.Registry.Usage(); err != nil { // it does not run
				if err := r.system.Registry.Boot(); err != nil {
					return err
				}
			}
			return r.system.Registry.AwaitReady(ctx)
		})
		if err := r.system.Registry.Kill(); err != nil {
			return err
		}
		if err := r.wait(ctx, 2*time.Second, 6*time.Second); err != nil {
			return err
		}
		r.answersAgain(ctx) // an outage of the registry stops nothing that runs
		victim := pick(r, r.processors())
		if n%2 == 0 {
			if err := r.kill(victim); err != nil {
				return err
			}
			if err := r.boot(victim, "while the registry is down"); err != nil {
				return err
			}
			if err := r.wait(ctx, 2*time.Second, 8*time.Second); err != nil {
				return err
			}
			if err := victim.Ready(ctx); err == nil {
				r.say("%s is ready without the registry", victim.Name)
			}
		}
		if err := mend(ctx); err != nil {
			return err
		}
		if err := errors.Join(victim.Died(), r.awaitReady(ctx, victim)); err != nil {
			return err
		}
		r.answersAgain(ctx)
		return nil
	})
}
