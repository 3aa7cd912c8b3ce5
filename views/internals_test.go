package views

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/cluster"
)

// A schema registry that is away is waited for; what the bytes say is final, a panic included.
func TestOutcomesAreDecodedPatiently(t *testing.T) {
	var answers []error
	x := &outcomeIndex{
		unknownIDs: codecs.NewUnknownIDs(),
		horizon:    time.Hour, now: time.Now, pending: NewExpectations(newMetrics().of("t").waiters),
		ignored: func(record, string) {}, retried: func(record, error) {},
	}
	x.decode = func(context.Context, []byte) (foldlog.Outcome, error) {
		if len(answers) == 0 {
			return foldlog.Outcome{CommandID: "cmd"}, nil
		}
		err := answers[0]
		answers = answers[1:]
		return foldlog.Outcome{}, err
	}
	r := record{key: "a", value: []byte("x")}
	kinds := func() map[string]int {
		t.Helper()
		stage, err := x.prepare(soon(t), r)
		if err != nil {
			t.Fatal(err)
		}
		s, err := openStore(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		c := newChanges()
		if err := stage(s, c); err != nil {
			t.Fatal(err)
		}
		return c.counts
	}
	away := errors.New("the registry is away")
	answers = []error{away, away}
	if have := kinds(); have[kindNameOutcome] != 1 || len(answers) != 0 {
		t.Errorf("after an outage: %v", have)
	}
	answers = []error{&codecs.Undecodable{Cause: errors.New("no avro")}}
	if have := kinds(); have[kindNameIgnored] != 1 {
		t.Errorf("of undecodable bytes: %v", have)
	}
	x.decode = func(context.Context, []byte) (foldlog.Outcome, error) { panic("no") }
	if have := kinds(); have[kindNameIgnored] != 1 {
		t.Errorf("of bytes that make the codec panic: %v", have)
	}
	x.decode = func(context.Context, []byte) (foldlog.Outcome, error) { return foldlog.Outcome{}, away }
	if _, err := x.prepare(briefly(t), r); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("when the replica ends during the outage: %v", err)
	}
}

// A place on the disk that cannot be used is waited for, too.
func TestStoreThatCannotBeOpened(t *testing.T) {
	s := newSystem(t)
	produce(t, s.producer, s.balanceRow("a", 1))
	dir := filepath.Join(s.dataDir, "views")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	inTheWay := filepath.Join(dir, "balances-table")
	if err := os.WriteFile(inTheWay, []byte("not a directory"), 0o600); err != nil {
		t.Fatal(err)
	}
	set := s.open()
	eventually(t, func() error { return contains(set.Ready(), "balances-table", "not a directory") })
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	set.awaitReady()
	awaitBalance(t, set.Projection("balances"), "a", 1)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("a directory that was there keeps its mode: %v, %v", info.Mode(), err)
	}
}

func TestReadyBoundsTheLag(t *testing.T) {
	s := newSystem(t)
	set := s.start()
	r := set.Projection("balances").replica
	seen, _, _, _ := r.status.freshness()
	ends := maps.Clone(seen) // the replica reads its own
	ends[1] += 11
	now := time.Now()
	r.status.observed(ends, now)
	if err := contains(r.ready(10, now), "balances-table", "11 records behind"); err != nil {
		t.Error(err)
	}
	if err := r.ready(11, now); err != nil {
		t.Error(err)
	}
	if err := contains(r.ready(11, now.Add(staleAfter+time.Second)), "unknown for 11s"); err != nil {
		t.Error(err)
	}
}

// following returns a replica that has restored and believes that it tails, although nobody does,
// with its monitor.
func following(t *testing.T, s *system) (*replica, *monitor, context.Context) {
	t.Helper()
	set, err := Open(Config{Topology: s.topology, Settings: s.settings, Codecs: s.codecs, Cluster: s.cluster, DataDir: s.dataDir})
	if err != nil {
		t.Fatal(err)
	}
	r := set.Projection("balances").replica
	d, err := describe(soon(t), r.admin, r.topic, r.partitions)
	if err == nil {
		err = r.prepareStore(d)
	}
	if err == nil {
		err = r.restore(soon(t), d)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancelCause(t.Context())
	r.status.tailing(d, interrupt)
	r.recovered = true
	t.Cleanup(func() {
		if err := errors.Join(r.release(), set.Close()); err != nil {
			t.Error(err)
		}
	})
	return r, newMonitor(r.admin, set.probes, set.config.Logger, []*replica{r}), ctx
}

func TestMonitorInterruptsAStalledTail(t *testing.T) {
	s := newSystem(t)
	r, m, ctx := following(t, s)
	look := func() {
		t.Helper()
		if err := m.look(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	look()
	s.abort("p", s.balanceRow("a", 1), s.balanceRow("b", 1))
	look()
	look() // nothing readable: the position moves
	if ends, _, _, _ := r.status.freshness(); r.sumLag(ends) != 0 || sum(ends) == 0 {
		t.Errorf("lag %d of %v", r.sumLag(ends), ends)
	}
	produce(t, s.producer, s.balanceRow("a", 1))
	look()
	look()
	if ctx.Err() != nil {
		t.Fatalf("interrupted too early: %v", context.Cause(ctx))
	}
	m.seen[0].moved = time.Now().Add(-2 * stalledAfter)
	look()
	if err := contains(context.Cause(ctx), "has not moved"); err != nil {
		t.Error(err)
	}
}

func TestMonitorNotesThatTheStoreIsInStep(t *testing.T) {
	s := newSystem(t)
	r, m, _ := following(t, s)
	synced := func() time.Time {
		t.Helper()
		at, err := r.store.synced()
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if err := r.store.setSynced(time.UnixMilli(1000)); err != nil {
		t.Fatal(err)
	}
	produce(t, s.producer, s.balanceRow("a", 1))
	for range 3 {
		if err := m.look(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	if !synced().Equal(time.UnixMilli(1000)) {
		t.Error("a store that lacks a record is taken for one in step")
	}
	reached := time.Now()
	if err := r.apply(soon(t), record{partition: homeOf("a"), key: "a", value: []byte{}}); err != nil {
		t.Fatal(err)
	}
	if err := m.look(soon(t)); err != nil {
		t.Fatal(err)
	}
	// It has all that was there when the sample was taken, which was before it had it.
	if at := synced(); !at.After(time.UnixMilli(1000)) || at.After(reached) {
		t.Errorf("in step as of %s, reached at %s", at, reached)
	}
}

func TestMonitorFindsAnotherLog(t *testing.T) {
	t.Run("created anew", func(t *testing.T) {
		s := newSystem(t)
		_, m, ctx := following(t, s)
		if _, err := s.admin().DeleteTopics(soon(t), "balances-table"); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			_, err := cluster.EnsureTopics(soon(t), s.cluster, s.topology, s.settings)
			return err
		})
		eventually(t, func() error {
			if err := m.look(soon(t)); err != nil {
				return err
			}
			return contains(context.Cause(ctx), "created anew")
		})
	})
	t.Run("deleted", func(t *testing.T) {
		s := newSystem(t)
		_, m, ctx := following(t, s)
		if _, err := s.admin().DeleteTopics(soon(t), "balances-table"); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error { // clients keep what they know of topics for a moment
			if err := m.look(soon(t)); err != nil {
				return err
			}
			return contains(context.Cause(ctx), "does not exist any more")
		})
	})
	t.Run("shorter than the store", func(t *testing.T) {
		s := newSystem(t)
		r, m, ctx := following(t, s)
		r.next[3].Store(5)
		if err := m.look(soon(t)); err != nil {
			t.Fatal(err)
		}
		if err := contains(context.Cause(ctx), "balances-table/3 ends at 0"); err != nil {
			t.Error(err)
		}
	})
}

// Only what the brokers of a topic say is looked at: a partition count that changed moves keys, so
// nothing is read.
func TestTopicWithAnotherPartitionCount(t *testing.T) {
	s := newSystem(t)
	if _, err := s.admin().CreatePartitions(soon(t), 1, "balances-table"); err != nil {
		t.Fatal(err)
	}
	set := s.open()
	eventually(t, func() error {
		return contains(set.Ready(), "balances-table has 5 partitions, the settings ask for 4")
	})
}
