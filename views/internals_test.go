package views

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/cluster"
)

// A schema registry that is away is waited for; what the bytes say is final, a panic included.
func TestOutcomesAreDecodedPatiently(t *testing.T) {
	var answers []error
	x := &outcomeIndex{
		horizon: time.Hour, now: time.Now, pending: newExpectations(newMetrics().of("t").waiters),
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

// compacted is a broker with one topic of two partitions, 0 with records and 1 whose records, as
// compaction leaves it, are gone up to offset 10.
func compacted(t *testing.T, records int) (*logReader, map[int32]int64) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	client, err := newFetchClient(cluster.Config{Brokers: c.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for range records {
		record := &kgo.Record{Topic: "t", Key: []byte(keyOfTwo()), Value: make([]byte, 1000)}
		produce(t, client, record)
	}
	listed, err := kadm.NewClient(client).ListEndOffsets(soon(t), "t")
	if err != nil {
		t.Fatal(err)
	}
	in0, _ := listed.Lookup("t", 0)
	if in0.Offset != int64(records) {
		t.Fatalf("%d records in partition 0", in0.Offset)
	}
	const end = 10
	c.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		asked := request.(*kmsg.FetchRequest)
		response := asked.ResponseKind().(*kmsg.FetchResponse)
		for _, at := range asked.Topics {
			topic := kmsg.NewFetchResponseTopic()
			topic.Topic, topic.TopicID = at.Topic, at.TopicID
			for _, ap := range at.Partitions {
				if ap.Partition == 0 {
					// there is something to send: the broker's own answer has it, and 1 is empty in
					// it
					return nil, nil, false
				}
				partition := kmsg.NewFetchResponseTopicPartition()
				partition.Partition, partition.HighWatermark, partition.LastStableOffset = ap.Partition, end, end
				partition.RecordBatches = []byte{}
				topic.Partitions = append(topic.Partitions, partition)
			}
			response.Topics = append(response.Topics, topic)
		}
		return response, nil, true
	})
	reader, err := newLogReader(client, "t")
	if err != nil {
		t.Fatal(err)
	}
	return reader, map[int32]int64{0: int64(records), 1: end}
}

// keyOfTwo is a key that belongs to partition 0 of 2.
func keyOfTwo() string {
	for n := 0; ; n++ {
		if key := fmt.Sprint(n); homeOf(key)%2 == 0 { // 2 divides the count that homeOf is for
			return key
		}
	}
}

// A log may end in a hole: the last records before its end were compacted away, and no record at
// its end will ever come.
func TestReaderEndsInAHole(t *testing.T) {
	for _, records := range []int{0, 20} {
		t.Run(fmt.Sprintf("%d records beside it", records), func(t *testing.T) {
			reader, ends := compacted(t, records)
			got := map[int32]int{}
			next := map[int32]int64{}
			err := reader.read(soon(t), map[int32]int64{0: 0, 1: 0}, ends, func(round []chunk) error {
				for _, c := range round {
					got[c.partition] += len(c.records)
					next[c.partition] = c.next
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if got[0] != records || got[1] != 0 || next[1] != ends[1] || records > 0 && next[0] != ends[0] {
				t.Errorf("read %v records, up to %v of %v", got, next, ends)
			}
		})
	}
}

func TestReaderFails(t *testing.T) {
	s := newSystem(t)
	produce(t, s.producer, s.balanceRow("a", 1))
	client, err := newFetchClient(s.cluster)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	home := homeOf("a")
	reader, err := newLogReader(client, "balances-table")
	if err != nil {
		t.Fatal(err)
	}
	ignore := func([]chunk) error { return nil }
	err = reader.read(soon(t), map[int32]int64{home: 5}, map[int32]int64{home: 9}, ignore)
	wantError(t, err, errMoved, fmt.Sprintf("balances-table/%d at 5", home))
	err = reader.read(soon(t), map[int32]int64{home: 0}, map[int32]int64{home: 1}, func([]chunk) error { return errStill })
	wantError(t, err, errStill)
	reader.topic = "nothing"
	err = reader.read(soon(t), map[int32]int64{0: 0}, map[int32]int64{0: 1}, ignore)
	if err := contains(err, "nothing", "topics create"); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	reader.topic = "balances-table"
	if err := reader.read(ctx, map[int32]int64{home: 0}, map[int32]int64{home: 1}, ignore); err == nil {
		t.Error("no error although the context had ended")
	}
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
