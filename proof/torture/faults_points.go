package torture

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/foldlog/foldlog/proof/torture/system"
)

// point is a place where the engine can be made to crash. A test compares these with the engine's
// own.
type point struct {
	name string
	// hits bounds how often the place is passed before the crash.
	hits int
	// leaving places are passed when a generation ends, so the instance is told to leave.
	leaving bool
	// moving ones are passed when the group moves on while the instance stays, so another one is
	// restarted.
	moving bool
}

func points() []point {
	const rare, often = 4, 80
	return []point{
		{name: "one-id-initialised", hits: rare}, {name: "initialised", hits: rare}, {name: "setup", hits: rare}, {name: "restore", hits: 2 * rare},
		{name: "restored", hits: rare}, {name: "fetched", hits: often}, {name: "decided", hits: often}, {name: "before-transaction", hits: often},
		{name: "inside-produced", hits: often}, {name: "inside-offsets", hits: often}, {name: "after-transaction", hits: often},
		{name: "applied", hits: often}, {name: "flushed", hits: 2 * rare}, {name: "cleanup", hits: rare, leaving: true},
		{name: "between-generations", hits: rare, moving: true}, {name: "before-leave", hits: rare, leaving: true},
	}
}

const (
	// reachLimit is how long an armed instance may take to reach its point. Then it is told to
	// leave, which reaches some.
	reachLimit = 20 * time.Second
	// leaveAfter is how long an instance that shall crash while leaving works before.
	leaveAfter = 3 * time.Second
)

// crashAtPoints makes processors crash at each named place in turn.
func crashAtPoints(ctx context.Context, r *run) error {
	all := points()
	from := r.random.IntN(len(all))
	return r.each(ctx, func(n int) error {
		p, victim := all[(from+n)%len(all)], pick(r, r.processors())
		if err := r.term(ctx, victim); err != nil {
			return err
		}
		at := fmt.Sprintf("%s@%d", p.name, 1+r.random.IntN(p.hits))
		victim.Arm(at)
		if err := r.boot(victim, "to crash at "+at); err != nil {
			return err
		}
		crashed, err := r.awaitCrash(ctx, victim, p)
		victim.Arm("")
		if err != nil {
			return err
		}
		if crashed {
			r.inflicted(hit{kind: kindCrash, target: victim.Name, detail: at, label: kindCrash + " " + p.name})
		} else {
			r.say("%s did not reach %s", victim.Name, at)
		}
		if r.random.IntN(2) == 0 {
			r.answersAgain(ctx)
		}
		if err := r.bootReady(ctx, victim, ""); err != nil {
			return err
		}
		r.answersAgain(ctx)
		return nil
	})
}

// awaitCrash waits until the armed instance has crashed, and reports whether it did. If it did not,
// it has ended otherwise when this returns.
func (r *run) awaitCrash(ctx context.Context, i *system.Instance, p point) (bool, error) {
	limit := reachLimit
	if p.leaving || p.moving {
		if err := r.awaitReadyOrEnd(ctx, i); err != nil {
			return false, err
		}
	}
	if p.leaving {
		limit = leaveAfter
	}
	if p.moving {
		others := slices.DeleteFunc(r.processors(), func(other *system.Instance) bool { return other == i })
		other := pick(r, others)
		if err := r.term(ctx, other); err != nil {
			return false, err
		}
		if err := r.boot(other, "to move partitions"); err != nil {
			return false, err
		}
	}
	select {
	case <-i.Ended():
		return i.ExitCode() == -1, nil
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(limit):
	}
	limited, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	if err := i.Stop(limited); err != nil {
		if !i.Running() {
			return i.ExitCode() == -1, nil // it crashed meanwhile
		}
		return false, err
	}
	return i.ExitCode() == -1, nil
}

func (r *run) awaitReadyOrEnd(ctx context.Context, i *system.Instance) error {
	err := r.awaitReady(ctx, i)
	if err != nil && i.Running() {
		return err
	}
	return nil
}
