package views

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/kafkalog"
)

// staleAfter is the time for which the set stays ready without a connection, or without knowing the
// ends of the log.
const staleAfter = 10 * time.Second

// Set has the views of a topology. Its methods are safe for concurrent use.
type Set struct {
	config      Config
	lock        *flock.Flock
	metrics     *metrics
	admin       *kgo.Client
	probes      *kafkalog.Log
	replicas    []*replica
	states      map[string]*Table
	projections map[string]*projection
	outcomes    map[string]*Outcomes
	histories   map[string]*History
	closeOnce   sync.Once
	closeErr    error
	now         func() time.Time
}

// Open checks the configuration, takes the data directory and registers the metrics. It does not
// need Kafka. Follow it with [Set.Run], or with [Set.Close] if it is not run.
//
// It fails when the configuration is wrong or another process uses the data directory.
func Open(c Config) (*Set, error) { return open(c, time.Now) }

func open(c Config, now func() time.Time) (*Set, error) {
	c.EnsureDefaults()
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("configuration of views: %w", err)
	}
	s := &Set{config: c, metrics: newMetrics(), now: now,
		states: map[string]*Table{}, projections: map[string]*projection{}, outcomes: map[string]*Outcomes{}, histories: map[string]*History{}}
	if err := s.takeDir(); err != nil {
		return nil, err
	}
	if err := s.connect(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.declare(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.metrics.register(c.Metrics); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Set) takeDir() error {
	dir := s.config.dir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data directory of views: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil { // it may have been there with other permissions
		return fmt.Errorf("data directory of views: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	taken, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock the data directory of views %s: %w", dir, err)
	}
	if !taken {
		return fmt.Errorf("the data directory of views %s is in use by another process: stop it, or choose another --data-dir", dir)
	}
	s.lock = lock
	return nil
}

func (s *Set) connect() error {
	opts, err := s.config.Cluster.Franz()
	if err != nil {
		return fmt.Errorf("configuration of views: %w", err)
	}
	if s.admin, err = kgo.NewClient(append(opts, kgo.ClientID(s.config.Cluster.ClientID+"-view-admin"))...); err != nil {
		return fmt.Errorf("kafka client of views: %w", err)
	}
	s.probes, err = kafkalog.Open(s.config.Cluster)
	return err
}

// declare makes a replica for each table, each outcomes topic and each events topic.
func (s *Set) declare() error {
	names := s.config.Settings.Names()
	for _, a := range s.config.Topology.Aggregates {
		codec := s.config.Codecs.Aggregate(a.Name)
		if codec == nil {
			return fmt.Errorf("views: aggregate %s has no codec: make the codecs from the same topology", a.Name)
		}
		decode := func(ctx context.Context, value []byte) (any, error) { return codec.DecodeState(ctx, value) }
		s.states[a.Name] = s.table(names.Table(a.Name), a.Name, false, decode)
		s.outcomes[a.Name] = s.outcomesOf(names.Outcomes(a.Name), codec.DecodeOutcome)
		s.histories[a.Name] = s.historyOf(names.Events(a.Name), codec)
	}
	for _, p := range s.config.Topology.Projections {
		codec := s.config.Codecs.Projection(p.ID())
		if codec == nil {
			return fmt.Errorf("views: projection %s has no codec: make the codecs from the same topology", p.ID())
		}
		table := s.table(names.Table(p.ID()), p.Source, p.Rekeyed(), codec.DecodeRow)
		table.version, table.replica.version = p.Version, p
		s.versionOf(p.Name).add(table)
	}
	for name, p := range s.projections {
		p.begin(s.stateOf(name))
	}
	return nil
}

func (s *Set) table(topic, source string, rekeyed bool, decode func(context.Context, []byte) (any, error)) *Table {
	r := s.replica(topic)
	r.compacted = true
	known := r.known()
	r.index = &tableIndex{progressIndex: known, ignored: r.ignored}
	return &Table{follower: follower{r, known.progress, source}, rekeyed: rekeyed, decode: decode}
}

func (s *Set) historyOf(topic string, codec *codecs.Aggregate) *History {
	r := s.replica(topic)
	known := r.known()
	r.index = &historyIndex{progressIndex: known, unknownIDs: codecs.NewUnknownIDs(), decode: codec.DecodeEventEnvelope, ignored: r.ignored, retried: r.retried}
	return &History{follower: follower{r, known.progress, codec.Spec().Name}, codec: codec}
}

// known makes the replica one that knows the progress of its partitions.
func (r *replica) known() progressIndex {
	progress := newProgress(r.partitions)
	r.woken = progress.wake
	return progressIndex{partitions: r.partitions, progress: progress}
}

func (s *Set) outcomesOf(topic string, decode func(context.Context, []byte) (foldlog.Outcome, error)) *Outcomes {
	r := s.replica(topic)
	pending := NewExpectations(r.metrics.waiters)
	index := &outcomeIndex{unknownIDs: codecs.NewUnknownIDs(), horizon: s.config.Settings.Horizon, now: s.now, decode: decode, pending: pending, ignored: r.ignored, retried: r.retried}
	r.index = index
	o := &Outcomes{replica: r, index: index, pending: pending}
	r.whileTailing = o.purge
	return o
}

// State returns the table of an aggregate type's states, or nil if the type is not declared.
func (s *Set) State(aggregate string) *Table { return s.states[aggregate] }

// Projection returns the table of the version of a projection that serves now, or nil if the
// projection is not declared.
func (s *Set) Projection(name string) *Table {
	p := s.projections[name]
	if p == nil {
		return nil
	}
	return p.serving.Load()
}

// Outcomes returns the outcomes of an aggregate type's commands, or nil if the type is not
// declared.
func (s *Set) Outcomes(aggregate string) *Outcomes { return s.outcomes[aggregate] }

// History returns the events of an aggregate type, or nil if the type is not declared.
func (s *Set) History(aggregate string) *History { return s.histories[aggregate] }

// Run keeps all views in step with Kafka until ctx ends, then closes the stores and the set.
// Trouble with Kafka, the schema registry or the disk is logged and tried again. It may be called
// once.
func (s *Set) Run(ctx context.Context) error {
	var wait sync.WaitGroup
	for _, r := range s.replicas {
		wait.Go(func() { s.replicate(ctx, r) })
	}
	for name, p := range s.projections {
		wait.Go(func() { s.follow(ctx, name, p) })
	}
	wait.Go(func() { newMonitor(kadm.NewClient(s.admin), s.probes, s.config.Logger, s.replicas).run(ctx) })
	wait.Wait()
	return s.Close()
}

// Close releases everything that Open took. Run does so itself.
func (s *Set) Close() error {
	s.closeOnce.Do(func() {
		s.metrics.unregister(s.config.Metrics)
		if s.admin != nil {
			s.admin.Close()
		}
		if s.probes != nil {
			s.probes.Close()
		}
		s.closeErr = s.lock.Unlock()
	})
	return s.closeErr
}

// Ready returns nil if every serving view has recovered and keeps up with the log. Otherwise the
// error says for each view what it waits for.
func (s *Set) Ready() error {
	var all []error
	for _, r := range s.replicas {
		if r.version == nil || s.Projection(r.version.Name).replica == r {
			all = append(all, r.ready(s.config.MaxLag, time.Now()))
		}
	}
	return errors.Join(all...)
}

// ready returns nil if the replica has recovered and lacks at most maxLag records.
func (r *replica) ready(maxLag int64, now time.Time) error {
	if err := r.check(); err != nil {
		return err
	}
	ends, at, lost, cause := r.status.freshness()
	if !lost.IsZero() && now.Sub(lost) > staleAfter {
		return fmt.Errorf("%s: disconnected from its topic for %s: %w", r.topic, now.Sub(lost).Round(time.Second), cause)
	}
	if age := now.Sub(at); age > staleAfter {
		return fmt.Errorf("%s: the end of its log is unknown for %s: Kafka does not answer", r.topic, age.Round(time.Second))
	}
	if lag := r.sumLag(ends); lag > maxLag {
		return fmt.Errorf("%s: %d records behind the log, more than %d", r.topic, lag, maxLag)
	}
	return nil
}
