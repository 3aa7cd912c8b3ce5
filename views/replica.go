package views

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/localdb"
	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/topology"
)

const (
	// firstBackoff and lastBackoff bound the pause between attempts, which doubles.
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = time.Second
	// steadyAfter is the time after which an attempt counts as steady: the next pause is the first
	// one again.
	steadyAfter = 30 * time.Second
)

// Reasons for throwing a store away, as metrics name them.
const (
	reasonDamaged   = "damaged"
	reasonRecreated = "topic_recreated"
	reasonOffline   = "offline_too_long"
	reasonAhead     = "ahead_of_log"
	reasonTruncated = "log_truncated"
	reasonLayout    = "other_layout"
)

// replica keeps the store of one topic in step with Kafka. Only run's goroutine opens, replaces and
// closes its store. Readers hold mu for reading while they use it.
type replica struct {
	topic      string
	partitions int
	// The topic has tombstones, which vanish after a while: a store that was away for long may have
	// missed some.
	compacted bool
	index     index
	dir       string
	cluster   cluster.Config
	admin     *kadm.Client
	log       *slog.Logger
	metrics   *replicaMetrics
	// whileTailing, if it is not nil, runs beside the Goka view and returns when ctx ends.
	whileTailing func(ctx context.Context)
	// version is the version of the projection whose table this is; nil for other topics.
	version *topology.ProjectionSpec
	// woken is called when waiting readers must look at the replica again.
	woken func()

	mu        sync.RWMutex
	store     *store // nil if there is none
	recovered bool   // the store may be read

	// writing is held for reading while records are applied, and for writing by the purge.
	writing sync.RWMutex
	// By partition: the next offset to apply. Everything before it is in the store.
	next   []atomic.Int64
	status status

	lost, skipped, waited notices
}

// run keeps the replica going until ctx ends, and closes its store.
func (r *replica) run(ctx context.Context) {
	for try := range retry.Attempts(ctx, firstBackoff, lastBackoff) {
		started := time.Now()
		err := r.attempt(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(started) > steadyAfter {
			try.Restart()
		}
		r.status.failed(err)
		r.metrics.restarts.Inc()
		level := slog.LevelDebug
		if r.lost.due() {
			level = slog.LevelWarn
		}
		r.log.Log(ctx, level, "the view has lost its topic, connecting again", "error", oneLine(err), "pause", try.Pause())
		if errors.Is(err, localdb.ErrDamaged) {
			r.discard(reasonDamaged, err)
		}
	}
	r.status.stopped()
	if err := r.release(); err != nil {
		r.log.Error("close the view's store", "error", err)
	}
}

// attempt connects once, and returns when the connection is lost.
func (r *replica) attempt(ctx context.Context) error {
	r.status.connecting()
	d, err := describe(ctx, r.admin, r.topic, r.partitions)
	if err != nil {
		return err
	}
	if err := r.prepareStore(d); err != nil {
		return err
	}
	if err := r.restore(ctx, d); err != nil {
		return err
	}
	if r.compacted {
		if err := r.store.setSynced(d.at); err != nil {
			return err
		}
	}
	r.mu.Lock()
	r.recovered = true
	r.mu.Unlock()
	r.woken()
	r.metrics.recovered.Set(1)
	r.metrics.remaining.Set(0)
	ctx, interrupt := context.WithCancelCause(ctx)
	defer interrupt(nil)
	r.status.tailing(d, interrupt)
	r.log.Info("view recovered", "end", sum(d.end))
	err = r.tail(ctx)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// prepareStore opens the store if it is closed, and replaces it by an empty one if it does not fit
// the topic.
func (r *replica) prepareStore(d description) error {
	if r.store == nil {
		if err := r.open(); err != nil {
			return err
		}
	}
	reason, err := r.misfit(d)
	if err != nil {
		return err
	}
	if reason != "" {
		r.discard(reason, nil)
		if err := r.open(); err != nil {
			return err
		}
	}
	if _, ok, err := r.store.meta(); err != nil || ok {
		return err
	}
	return r.store.begin(meta{Layout: layoutVersion, Topic: r.topic, TopicID: d.id, Partitions: r.partitions}, d.at)
}

// misfit returns the reason why the store cannot be continued from the topic; "" if it can.
func (r *replica) misfit(d description) (reason string, err error) {
	m, ok, err := r.store.meta()
	switch {
	case err != nil:
		return "", err
	case !ok:
		return "", nil
	case m.Layout != layoutVersion || m.Topic != r.topic || m.Partitions != r.partitions:
		return reasonLayout, nil
	case m.TopicID != d.id:
		return reasonRecreated, nil
	}
	if r.compacted {
		synced, err := r.store.synced()
		if err != nil {
			return "", err
		}
		if d.at.Sub(synced) > d.deleteRetention/2 {
			return reasonOffline, nil
		}
	}
	for p := range int32(r.partitions) {
		switch next := r.position(p); {
		case next > d.end[p]:
			return reasonAhead, nil
		case r.compacted && next < d.start[p]:
			return reasonTruncated, nil // tombstones may have been among what is gone
		}
	}
	return "", nil
}

// open opens the store, moving a damaged one away.
func (r *replica) open() error {
	s, err := openStore(r.dir)
	if errors.Is(err, localdb.ErrDamaged) {
		r.discard(reasonDamaged, err)
		s, err = openStore(r.dir)
	}
	if err != nil {
		return err
	}
	next, err := s.positions(r.partitions)
	if err == nil {
		err = r.index.load(s)
	}
	if err != nil {
		return errors.Join(err, s.close())
	}
	for p := range r.next {
		r.next[p].Store(next[p])
	}
	r.mu.Lock()
	r.store = s
	r.mu.Unlock()
	return nil
}

// discard gives up the store and removes its files. Files of a damaged store are kept aside. If
// that fails, the next attempt finds them again.
func (r *replica) discard(reason string, cause error) {
	r.metrics.rebuilds.WithLabelValues(r.topic, reason).Inc()
	if err := r.release(); err != nil && reason != reasonDamaged {
		r.log.Error("close the view's store", "error", err)
	}
	if reason == reasonDamaged {
		aside, err := localdb.SetAside(r.dir)
		r.log.Error("the view's store is damaged, rebuilding it from Kafka", "cause", cause, "kept", aside, "error", err)
		return
	}
	err := os.RemoveAll(r.dir)
	r.log.Warn("the view's store does not fit its topic, rebuilding it from Kafka", "reason", reason, "error", err)
}

// release closes the store, if there is one. Readers get ErrNotReady from here on.
func (r *replica) release() error {
	r.mu.Lock()
	s := r.store
	r.store, r.recovered = nil, false
	r.mu.Unlock()
	r.metrics.recovered.Set(0)
	r.index.forget()
	r.woken()
	if s == nil {
		return nil
	}
	return s.close()
}

// position returns the next offset to apply.
func (r *replica) position(p int32) int64 { return r.next[p].Load() }

// apply writes one record to the store and then publishes it.
func (r *replica) apply(ctx context.Context, rec record) error {
	stage, err := r.index.prepare(ctx, rec)
	if err != nil {
		return err
	}
	c := newChanges()
	r.writing.RLock()
	defer r.writing.RUnlock()
	if err := stage(r.store, c); err != nil {
		return err
	}
	c.reach(rec.partition, rec.offset+1)
	return r.commit(c)
}

// commit writes the changes to the store and then publishes them.
func (r *replica) commit(c *changes) error {
	if len(c.writes) > 0 || len(c.next) > 0 {
		if err := r.store.write(c.batch()); err != nil {
			return err
		}
	}
	for p, next := range c.next {
		r.next[p].Store(next)
	}
	for kind, n := range c.counts {
		r.metrics.records.WithLabelValues(r.topic, kind).Add(float64(n))
	}
	for _, publish := range c.after {
		publish()
	}
	return nil
}

// use calls f with the store, or returns the reason why it cannot be read now.
func (r *replica) use(f func(*store) error) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := r.readable(); err != nil {
		return err
	}
	err := f(r.store)
	if errors.Is(err, localdb.ErrDamaged) {
		r.status.interrupt(err) // the next attempt rebuilds the store
	}
	return err
}

// readable returns nil if the store may be read. mu is held.
func (r *replica) readable() error {
	if r.recovered {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", r.topic, ErrNotReady, r.status.describe())
}

// check is readable for callers that do not hold mu.
func (r *replica) check() error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.readable()
}

// oneLine puts Goka's lists of errors into one line.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func sum(offsets map[int32]int64) (total int64) {
	for _, n := range offsets {
		total += n
	}
	return total
}

// replica makes the replica of a topic, without an index.
func (s *Set) replica(topic string) *replica {
	r := &replica{
		topic:      topic,
		partitions: s.config.Settings.Partitions,
		dir:        filepath.Join(s.config.dir(), topic),
		cluster:    s.config.Cluster,
		admin:      kadm.NewClient(s.admin),
		log:        s.config.Logger.With("topic", topic),
		metrics:    s.metrics.of(topic),
		woken:      func() {},
		next:       make([]atomic.Int64, s.config.Settings.Partitions),
	}
	s.replicas = append(s.replicas, r)
	return r
}
