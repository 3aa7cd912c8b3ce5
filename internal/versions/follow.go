package versions

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/topology"
)

// Follower has the states as they are now. It is safe for concurrent use.
type Follower struct {
	cluster cluster.Config
	topic   string
	log     *slog.Logger
	next    int64

	mu      sync.Mutex
	states  States
	changed chan struct{}
}

// Follow returns a follower that begins with the resolved states. They stay the same until
// [Follower.Run].
func (r *Resolved) Follow(c cluster.Config, names topology.Names, log *slog.Logger) *Follower {
	states := States{}
	for name, s := range r.States {
		states[name] = s
	}
	return &Follower{cluster: c, topic: names.Versions(), log: log, next: r.next, states: states, changed: make(chan struct{})}
}

// Run follows the topic until ctx ends. Trouble with the cluster is tried again; meanwhile the
// states stay as they were.
func (f *Follower) Run(ctx context.Context) error {
	client, err := client(f.cluster)
	if err != nil {
		return err
	}
	defer client.Close()
	client.AddConsumePartitions(from(f.topic, f.next))
	for ctx.Err() == nil {
		fetched := client.PollFetches(ctx)
		if ctx.Err() != nil {
			break
		}
		unreadable, failures := cluster.Skip(client, fetched)
		for _, r := range unreadable {
			f.log.Error("skipped what cannot say which versions of projections serve", "topic", f.topic, "offset", r.Offset, "cause", string(r.Headers[0].Value))
		}
		for _, e := range failures {
			f.log.Warn("cannot follow which versions of projections serve, trying again", "topic", f.topic, "error", e.Err)
			_ = retry.Sleep(ctx, time.Second)
		}
		fetched.EachRecord(f.apply)
	}
	return nil
}

func (f *Follower) apply(r *kgo.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.states.take(r)
	s := f.states[string(r.Key)]
	f.log.Info("versions of a projection", "projection", s.Projection, "serving", s.Serving, "other", s.Other, "stage", s.Stage, "by", s.By)
	close(f.changed)
	f.changed = make(chan struct{})
}

// State returns the state of a declared projection, and a channel that is closed at the next change
// of any.
func (f *Follower) State(projection string) (State, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.states[projection], f.changed
}

// While calls run as long as wanted agrees with the state of a projection, and ends its context
// when it no longer does. It returns when ctx has ended.
func (f *Follower) While(ctx context.Context, projection string, wanted func(State) bool, run func(context.Context)) {
	for ctx.Err() == nil {
		state, changed := f.State(projection)
		if !wanted(state) {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		inner, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			run(inner)
		}()
		for wanted(state) && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			state, changed = f.State(projection)
		}
		stop()
		<-done
	}
}
