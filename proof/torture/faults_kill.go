package torture

import (
	"context"
	"time"

	"github.com/foldlog/foldlog/proof/torture/system"
)

const (
	kindTerm = "term"
	// signalsAfter is the age from which on a process must handle SIGTERM, on a busy machine.
	signalsAfter = 3 * time.Second
)

// killProcessors kills one processor after the other at random moments. Half of them come back at
// once, as under a supervisor, and the others after somebody took over.
func killProcessors(ctx context.Context, r *run) error {
	return r.each(ctx, func(int) error { return r.killAndBoot(ctx, pick(r, r.processors())) })
}

// killAny kills edges, too, and sometimes two processes at once.
func killAny(ctx context.Context, r *run) error {
	return r.each(ctx, func(int) error {
		all := append(r.processors(), r.edges()...)
		victim := pick(r, all)
		if second := pick(r, all); second != victim && r.random.IntN(3) == 0 {
			if err := r.kill(second); err != nil {
				return err
			}
			if err := r.killAndBoot(ctx, victim); err != nil {
				return err
			}
			if err := r.bootReady(ctx, second, ""); err != nil {
				return err
			}
			r.answersAgain(ctx)
			return nil
		}
		return r.killAndBoot(ctx, victim)
	})
}

func (r *run) killAndBoot(ctx context.Context, victim *system.Instance) error {
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
}

// rollInstances restarts instances one after the other with SIGTERM, as a deployment does.
func rollInstances(ctx context.Context, r *run) error {
	all := append(r.processors(), r.edges()...)
	return r.each(ctx, func(n int) error {
		victim := all[n%len(all)]
		if err := r.term(ctx, victim); err != nil {
			return err
		}
		if r.random.IntN(3) == 0 { // others do its work for a while
			if err := r.wait(ctx, 0, 4*time.Second); err != nil {
				return err
			}
		}
		if err := r.bootReady(ctx, victim, ""); err != nil {
			return err
		}
		r.answersAgain(ctx)
		return r.wait(ctx, 0, 2*time.Second)
	})
}

// term ends an instance with SIGTERM. One that does not end in time is a problem, and is killed.
func (r *run) term(ctx context.Context, i *system.Instance) error {
	label := kindTerm
	if !i.Processes() {
		label = kindTerm + " edge"
	}
	r.inflicted(hit{kind: kindTerm, target: i.Name, label: label})
	limited, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	began := time.Now()
	if err := i.Stop(limited); err != nil {
		if ctx.Err() != nil {
			return err
		}
		r.problem("%s", err)
		return r.kill(i)
	}
	r.say("%s ended %.1fs after SIGTERM", i.Name, time.Since(began).Seconds())
	code := i.ExitCode()
	if code == -1 && began.Sub(r.booted[i.Name]) < signalsAfter {
		return nil // SIGTERM came before it had asked to be told of it
	}
	if code != 0 {
		r.problem("%s ended with exit code %d after SIGTERM: %s", i.Name, code, r.system.LogFile(i.Name))
	}
	return nil
}

// storm lets instances join and leave faster than the group comes to rest.
func storm(ctx context.Context, r *run) error {
	for _, name := range []string{"processor-4", "processor-5"} {
		i, err := r.system.Add(name, system.Processor)
		if err != nil {
			return err
		}
		r.about.Instances = append(r.about.Instances, name)
		if err := r.boot(i, "joins"); err != nil {
			return err
		}
	}
	err := r.each(ctx, func(n int) error {
		all := r.processors()
		i := pick(r, all)
		switch {
		case !i.Running():
			if err := r.boot(i, "joins"); err != nil {
				return err
			}
		case running(all) < 2: // somebody has to be there
			return r.wait(ctx, 0, time.Second)
		case r.random.IntN(4) == 0:
			if err := r.kill(i); err != nil {
				return err
			}
		default:
			if err := r.term(ctx, i); err != nil {
				return err
			}
		}
		if n%10 == 9 {
			r.answersAgain(ctx)
		}
		return r.wait(ctx, 0, 2*time.Second)
	})
	if err != nil {
		return err
	}
	for _, i := range r.processors() {
		if !i.Running() {
			if err := r.boot(i, "joins"); err != nil {
				return err
			}
		}
	}
	r.answersAgain(ctx)
	return nil
}

func running(all []*system.Instance) (n int) {
	for _, i := range all {
		if i.Running() {
			n++
		}
	}
	return n
}
