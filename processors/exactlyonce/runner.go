package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/processors/step"
)

// Runner runs one group for one attempt.
type Runner struct {
	group   step.Group
	config  Config
	started atomic.Bool
	engine  atomic.Pointer[engine]
}

// New returns a runner for the group. It opens no connection yet.
func New(group step.Group, config Config) (*Runner, error) {
	config.EnsureDefaults()
	if err := errors.Join(config.Validate(), validateGroup(group)); err != nil {
		return nil, fail(CauseConfiguration, fmt.Errorf("group %s: %w", group.Name, err))
	}
	config.Cluster.ClientID = "foldlog-" + config.Instance
	return &Runner{group: group, config: config}, nil
}

// Run consumes until ctx ends. Then it commits the handled inputs, leaves the group for good, so
// that others take over at once, and returns nil. Any error means that the attempt stopped:
// uncommitted work is dropped, the instance is still a member, and a new runner goes on after the
// last transaction. [Cause] classifies the error. Run may be called once.
func (r *Runner) Run(ctx context.Context) error {
	if r.started.Swap(true) {
		return errors.New("a runner runs once")
	}
	e := &engine{
		group: r.group, config: r.config, log: r.config.Logger.With("group", r.group.Name), point: r.config.point, disk: newKeeping(folder{}),
		dir: filepath.Join(r.config.DataDir, "exactly-once", r.group.Name), keys: map[source][]string{},
	}
	if e.point == nil {
		e.point = func(string) {}
	}
	e.state("starting")
	e.ctx, e.cancel = context.WithCancelCause(ctx)
	defer e.cancel(nil)
	r.engine.Store(e)
	err := e.run(ctx)
	e.recovered.Store(false)
	if err != nil {
		e.state(fmt.Sprintf("stopped: %v", err))
		return fmt.Errorf("group %s stopped: %w", r.group.Name, err)
	}
	e.state("stopped")
	return nil
}

// Recovered reports whether every assigned partition is restored and consuming.
func (r *Runner) Recovered() bool {
	e := r.engine.Load()
	return e != nil && e.recovered.Load()
}

// Status says in a few words what the group is doing or waiting for.
func (r *Runner) Status() string {
	e := r.engine.Load()
	if e == nil {
		return "not started"
	}
	return e.status()
}

// Stats returns the present state of the group.
func (r *Runner) Stats() Stats {
	s := Stats{Lag: map[int32]int64{}, Restoring: map[int32]int64{}}
	e := r.engine.Load()
	if e == nil {
		return s
	}
	s.OldestTransaction = e.committing.age()
	g := e.current.Load()
	if g == nil {
		return s
	}
	s.Waiting = g.waits()
	for partition, l := range g.lanes {
		if end := l.end.Load(); end > 0 {
			s.Lag[partition] = max(end-l.next.Load(), 0)
		}
		if st := l.stored.Load(); st != nil {
			s.Unflushed += st.queued.Load()
		}
		if left := l.restoring.Load(); left > 0 {
			s.Restoring[partition] = left
		}
	}
	return s
}

// engine is one attempt of a runner.
type engine struct {
	group  step.Group
	config Config
	log    *slog.Logger
	point  func(string)
	dir    string

	ctx    context.Context // ends with the attempt
	cancel context.CancelCauseFunc

	client *kgo.Client // for everything but inputs and transactions
	admin  *kadm.Client
	txns   *pair

	kafka kafka // as restoring and fencing see them
	disk  *keeping

	background sync.WaitGroup
	current    atomic.Pointer[generation]
	recovered  atomic.Bool
	committing clock

	mu      sync.Mutex
	failure error
	doing   string
	keys    map[source][]string // topology.ProgressKeys, by source
}

// fail ends the attempt. The first error stands.
func (e *engine) fail(err error) {
	e.mu.Lock()
	first := e.failure == nil
	if first {
		e.failure = err
	}
	e.mu.Unlock()
	if first {
		e.log.Error("the attempt stops; what is not committed is dropped", "cause", Cause(err), "error", err)
	}
	e.cancel(err)
}

func (e *engine) failed() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failure
}

func (e *engine) state(doing string) {
	e.log.Debug(doing)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doing = doing
}

func (e *engine) status() string {
	e.mu.Lock()
	doing := []string{e.doing}
	e.mu.Unlock()
	if g := e.current.Load(); g != nil {
		for _, l := range g.ordered {
			if why := l.waiting.Load(); why != nil {
				doing = append(doing, *why)
			}
		}
	}
	return strings.Join(doing, "; ")
}

// run makes the attempt and returns when everything that it started has ended.
func (e *engine) run(parent context.Context) error {
	opts, err := adminOptions(e.config)
	if err != nil {
		return fail(CauseConfiguration, err)
	}
	if e.client, err = kgo.NewClient(opts...); err != nil {
		return failf(CauseConfiguration, "kafka client: %w", err)
	}
	defer e.client.Close()
	seen := newFranzKafka(e.client)
	e.kafka, e.admin = seen, seen.admin
	if err := e.awaitBrokers(); err != nil {
		return stoppedOr(parent, err)
	}
	e.state("asking the brokers for the topics")
	agreed, err := e.checkBrokers()
	if err != nil {
		return stoppedOr(parent, err)
	}
	if err := e.checkTopics(); err != nil {
		return stoppedOr(parent, err)
	}
	e.state("taking over what an earlier run left open")
	if e.txns, err = newPair(e.ctx, e.config, &e.group, agreed, e.point, newFranzProducer); err != nil {
		return stoppedOr(parent, err)
	}
	defer func() {
		e.txns.close()
		// The process that fenced us goes on with these ids.
		if failure := e.failed(); failure != nil && Cause(failure) != CauseFenced {
			e.abortLeftovers()
		}
	}()
	e.state("joining the group")
	processor, err := e.processor()
	if err != nil {
		return stoppedOr(parent, fail(CauseMembership, err))
	}
	err = processor.Run(e.ctx)
	e.cancel(nil)
	e.background.Wait()
	if err := e.disk.end(); err != nil {
		e.log.Error("close local stores; they are mended or rebuilt when they are opened again", "error", err)
	}
	if failure := e.failed(); failure != nil {
		return failure
	}
	if parent.Err() != nil {
		return nil
	}
	if err == nil {
		err = errors.New("the group's processor ended although nobody stopped it; it is started again, please report it with the log")
	}
	return fail(CauseOther, err)
}

// awaitBrokers returns once a broker answers. Without it, an attempt would fail at once, again and
// again, and the pauses between attempts would grow for nothing.
func (e *engine) awaitBrokers() error {
	said := false
	for range retry.Attempts(e.ctx, 100*time.Millisecond, time.Second) {
		ctx, cancel := context.WithTimeout(e.ctx, 5*time.Second)
		err := e.client.Ping(ctx)
		cancel()
		if err == nil {
			return nil
		}
		e.state(fmt.Sprintf("waiting for the brokers %s: %v", strings.Join(e.config.Cluster.Brokers, ","), err))
		if !said {
			e.log.Warn("waiting for the brokers", "brokers", e.config.Cluster.Brokers, "error", err)
			said = true
		}
	}
	return fail(CauseMembership, e.ctx.Err())
}

// stoppedOr returns nil if the caller wanted the end: then errors are its consequence.
func stoppedOr(parent context.Context, err error) error {
	if parent.Err() != nil {
		return nil
	}
	return err
}

// abortLeftovers aborts, as far as possible in a moment, the open transactions of a failed attempt,
// so that readers need not wait for the next one.
func (e *engine) abortLeftovers() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for i := range 2 {
		id := transactionalID(e.config.TransactionalIDPrefix, e.group.Name, e.config.Instance, i)
		if err := patiently(ctx, func() error { return e.initialise(ctx, id, -1, -1) }); err != nil {
			e.log.Warn("a transaction of the failed attempt may stay open until the next attempt", "transactional_id", id, "error", err)
		}
	}
}
