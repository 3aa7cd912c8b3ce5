package torture

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/foldlog/foldlog/proof/torture/system"
)

const (
	kindFreeze = "freeze"
	// sessionTimeout is the product's.
	sessionTimeout = 10 * time.Second
	// freezeLimit is how long an instance may take from its boot until it freezes itself. Then it
	// is frozen where it is.
	freezeLimit = 30 * time.Second
)

// zombies pauses processors past their session, by a signal or at a place inside a transaction,
// lets others take over, and wakes them.
func zombies(ctx context.Context, r *run) error {
	places := []string{"inside-produced", "inside-offsets", "before-transaction", "after-transaction", "decided"}
	return r.each(ctx, func(n int) error {
		victim := pick(r, r.processors())
		if n%2 == 0 {
			return r.freezeAndThaw(ctx, victim, "")
		}
		place := fmt.Sprintf("%s@%d:freeze", pick(r, places), 20+r.random.IntN(200))
		if err := r.term(ctx, victim); err != nil {
			return err
		}
		victim.Arm(place)
		if err := r.boot(victim, "to freeze at "+place); err != nil {
			return err
		}
		reached := r.awaitSilence(ctx, victim)
		victim.Arm("")
		if !reached { // it would get there later and freeze, and nobody would thaw it
			r.say("%s did not reach %s", victim.Name, place)
			if err := r.term(ctx, victim); err != nil {
				return err
			}
			if err := r.bootReady(ctx, victim, "to be frozen anywhere"); err != nil {
				return err
			}
			place = ""
		}
		return r.freezeAndThaw(ctx, victim, place)
	})
}

// freezeAndThaw holds an instance still past its session. One that stopped itself is thawed all the
// same.
func (r *run) freezeAndThaw(ctx context.Context, victim *system.Instance, place string) error {
	label := kindFreeze
	if place != "" {
		label = kindFreeze + " inside"
	}
	r.inflicted(hit{kind: kindFreeze, target: victim.Name, detail: place, label: label})
	if err := victim.Freeze(); err != nil {
		return err
	}
	if err := r.wait(ctx, sessionTimeout+time.Second, sessionTimeout+5*time.Second); err != nil {
		return err
	}
	if r.random.IntN(3) > 0 {
		r.answersAgain(ctx)
	}
	r.note(kindThaw, victim.Name, "")
	if err := victim.Thaw(); err != nil {
		return err
	}
	r.answersAgain(ctx)
	if err := r.awaitReady(ctx, victim); err != nil {
		return err
	}
	return r.wait(ctx, 0, 3*time.Second)
}

// awaitSilence waits until an instance that shall freeze itself answers no more. One that has not
// begun to listen refuses connections, and is not silent.
func (r *run) awaitSilence(ctx context.Context, i *system.Instance) bool {
	limited, cancel := context.WithTimeout(ctx, freezeLimit)
	defer cancel()
	for limited.Err() == nil {
		asking, done := context.WithTimeout(limited, 2*time.Second)
		_, err := i.Metrics(asking)
		done()
		if err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			return limited.Err() == nil
		}
		select {
		case <-limited.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return false
}
