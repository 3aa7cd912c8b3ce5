package torture

import (
	"context"
	"errors"
	"time"

	"github.com/foldlog/foldlog/proof/history"
	"github.com/foldlog/foldlog/proof/torture/results"
	"github.com/foldlog/foldlog/proof/torture/system"
)

// Kinds of faults, and of what mends them.
const (
	kindKill  = "kill"
	kindCrash = "crash"
	kindStart = "start"
	kindThaw  = "thaw"
)

// hit is a fault that is about to be done.
type hit struct {
	kind, target, detail string
	// label is what its stalls are kept under; default the kind.
	label string
}

// inflicted writes a fault down, before it is done, and begins the time in which stalls are its.
func (r *run) inflicted(h hit) {
	if h.label == "" {
		h.label = h.kind
	}
	at := r.note(h.kind, h.target, h.detail)
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.spans); n > 0 {
		r.spans[n-1].To = at
	}
	r.spans = append(r.spans, results.Span{Kind: h.label, From: at})
	if h.kind == kindKill || h.kind == kindCrash {
		r.kills++
	}
}

// note writes down what was done or mended.
func (r *run) note(kind, target, detail string) int64 {
	fault := history.Fault{At: history.Now(), Kind: kind, Target: target, Detail: detail}
	r.say("%s %s %s", kind, target, detail)
	if err := errors.Join(r.faultLog.Write(fault), r.faultLog.Flush()); err != nil {
		r.problem("write faults.jsonl: %s", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, fault)
	return fault.At
}

// each calls f with 0, 1, ... until the scenario's number of faults or its time is over.
func (r *run) each(ctx context.Context, f func(n int) error) error {
	most, duration := r.options.Faults, r.options.Duration
	if most == 0 && duration == 0 {
		most = r.scenario.faults
	}
	if duration == 0 && r.options.Faults == 0 {
		duration = r.scenario.duration
	}
	began := time.Now()
	for n := 0; most == 0 || n < most; n++ {
		if duration > 0 && time.Since(began) > duration {
			return nil
		}
		if err := f(n); err != nil {
			return err
		}
	}
	return nil
}

// kill kills an instance at once.
func (r *run) kill(i *system.Instance) error {
	r.inflicted(hit{kind: kindKill, target: i.Name})
	return i.Kill()
}

// boot starts an instance and does not wait.
func (r *run) boot(i *system.Instance, detail string) error {
	r.note(kindStart, i.Name, detail)
	r.booted[i.Name] = time.Now()
	return i.Boot()
}

// bootReady starts an instance and waits until it is ready. How long that took is in the summary.
func (r *run) bootReady(ctx context.Context, i *system.Instance, detail string) error {
	if err := r.boot(i, detail); err != nil {
		return err
	}
	began := time.Now()
	if err := r.awaitReady(ctx, i); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recoveries = append(r.recoveries, time.Since(began))
	return nil
}

func (r *run) awaitReady(ctx context.Context, i *system.Instance) error {
	limited, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	return i.AwaitReady(limited)
}

// awaitAnswers waits until every partition answers a probe sent after since.
func (r *run) awaitAnswers(ctx context.Context, since int64) error {
	limited, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	return r.load.Probes.Await(limited, since)
}

// answersAgain is awaitAnswers after a fault: a system that does not answer is a problem, and the
// run goes on to heal it.
func (r *run) answersAgain(ctx context.Context) {
	began := time.Now()
	if err := r.awaitAnswers(ctx, history.Now()); err != nil && ctx.Err() == nil {
		r.problem("after the last fault: %s", err)
		return
	}
	r.say("all partitions answer, %.1fs later", time.Since(began).Seconds())
}

// wait lets the load run for a random time between two bounds: faults must meet all kinds of
// moments.
func (r *run) wait(ctx context.Context, least, most time.Duration) error {
	timer := time.NewTimer(least + time.Duration(r.random.Int64N(int64(most-least)+1)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// processors returns the instances that run processors, and edges those that answer alone.
func (r *run) processors() (all []*system.Instance) {
	for _, i := range r.system.Instances() {
		if i.Processes() && i != r.system.Dev {
			all = append(all, i)
		}
	}
	return all
}

func (r *run) edges() (all []*system.Instance) {
	for _, i := range r.system.Instances() {
		if i.Serves() && i != r.system.Dev {
			all = append(all, i)
		}
	}
	return all
}

func pick[T any](r *run, all []T) T { return all[r.random.IntN(len(all))] }
