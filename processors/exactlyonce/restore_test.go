package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/topology"
)

// other returns a transactional producer that writes to partitions that it chooses.
func (w *world) other(id string, more ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(w.brokers...), kgo.TransactionalID(id), kgo.TransactionTimeout(10 * time.Second),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxVersions(transactionsV1.versions())}, more...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	return client
}

// write puts a row into the table in a transaction, and ends it as told, or leaves it open.
func (w *world) write(client *kgo.Client, key, value string, partition int32, end *kgo.TransactionEndTry) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := client.BeginTransaction()
	if err == nil {
		err = client.ProduceSync(ctx, &kgo.Record{Topic: w.table(), Partition: partition, Key: []byte(key), Value: []byte(value)}).FirstErr()
	}
	if err == nil && end != nil {
		err = client.EndTransaction(ctx, *end)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

var commit, abort = kgo.TryCommit, kgo.TryAbort

func TestRestorePassesAbortedRecordsAndMarkers(t *testing.T) {
	w := newWorld(t, 1)
	w.send(50, 5)
	r := w.start("a")
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	stray := w.other(w.name + "-stray")
	w.write(stray, "k0", "99 99", 0, &abort)
	w.write(stray, "k1", "99 99", 0, &abort)
	r = w.start("a") // from its store
	w.awaitRecovered(r)
	w.send(50, 5)
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	w.write(stray, "k2", "99 99", 0, &abort)
	r = w.start("b") // from nothing
	w.awaitRecovered(r)
	w.send(50, 5)
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	w.check()
}

// What a dead owner left open on the table is aborted, not waited for: the transactions here would
// expire after ten minutes.
func TestOpenTransactionOfADeadOwnerIsAborted(t *testing.T) {
	w := newWorld(t, 1)
	w.send(50, 5)
	r := w.start("a")
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	leaveOpen := func(instance string) *kgo.Client {
		client := w.other(transactionalID("", w.name, instance, 0), kgo.TransactionTimeout(10*time.Minute))
		w.write(client, "k0", "99 99", 0, nil)
		return client
	}
	mustNotCommit := func(client *kgo.Client) {
		t.Helper()
		if err := client.EndTransaction(context.Background(), kgo.TryCommit); err == nil {
			t.Error("the dead owner could still commit")
		}
	}
	gone := leaveOpen("gone")
	r = w.start("b")
	w.awaitRecovered(r)
	mustNotCommit(gone)
	// as if it had died after the others were looked for, at the assignment
	late := leaveOpen("late")
	if n, err := r.engine().fenceTable(t.Context(), w.table(), 0); n != 1 || err != nil {
		t.Errorf("%d transactions were aborted, want 1 (%v)", n, err)
	}
	mustNotCommit(late)
	w.send(50, 5)
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	w.check()
}

// A stranger's open transaction is waited for, and its rows count if it commits.
func TestOpenTransactionOfAStrangerIsWaitedFor(t *testing.T) {
	w := newWorld(t, 1)
	stranger := w.other(w.name + "-stranger")
	w.write(stranger, "k0", "5 50", 0, nil)
	r := w.start("a")
	w.eventually(20*time.Second, "the status to say what is waited for", func() error {
		if r.recovered() {
			t.Fatal("it did not wait for the open transaction")
		}
		if s := r.status(); !strings.Contains(s, "open transaction") {
			return errors.New(s)
		}
		return nil
	})
	if err := stranger.EndTransaction(context.Background(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	w.awaitRecovered(r)
	w.produce(&kgo.Record{Topic: w.commands(), Key: []byte("k0"), Value: []byte("x 1")})
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	if got := string(w.read(w.outcomes())[0][0].Value); got != "x 6 first" {
		t.Errorf("outcome %q: the committed row was missed", got)
	}
}

func TestRestoreGivesUpLoudly(t *testing.T) {
	w := newWorld(t, 1)
	w.write(w.other(w.name+"-stranger"), "k0", "5 50", 0, nil)
	c := w.config("a")
	c.Patience = time.Second // less than Validate allows
	opts, err := adminOptions(c)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	e := &engine{group: w.group(), config: c, log: discard, kafka: newFranzKafka(client)}
	r := &restorer{engine: e, lane: &lane{}, topic: w.table(), partition: 0, log: discard,
		each: func(*kgo.Record) error { t.Error("it read on"); return nil }, through: func(int64) error { return nil }}
	_, err = r.run(t.Context(), 0)
	if Cause(err) != CauseRestore || !strings.Contains(err.Error(), "open") {
		t.Errorf("cause %q of %v", Cause(err), err)
	}
}

func TestRestoreIsCancelledWithTheSession(t *testing.T) {
	w := newWorld(t, 1)
	w.write(w.other(w.name+"-stranger"), "k0", "5 50", 0, nil)
	r := w.start("a")
	w.eventually(20*time.Second, "the restore to wait", func() error {
		if s := r.status(); !strings.Contains(s, "open transaction") {
			return errors.New(s)
		}
		return nil
	})
	began := time.Now()
	mustNotFail(t, r.stop())
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s to stop", took)
	}
}

func TestRecreatedTopicIsNotMergedWithAnOldStore(t *testing.T) {
	w := newWorld(t, 1)
	w.send(50, 5)
	r := w.start("a")
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	ctx := context.Background()
	for _, topic := range []string{w.table(), w.outcomes(), w.events(), w.commands()} {
		if _, err := w.admin.DeleteTopics(ctx, topic); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.admin.DeleteGroups(ctx, w.name); err != nil {
		t.Fatal(err)
	}
	w.eventually(30*time.Second, "the topics to be gone", func() error {
		listed, err := w.admin.ListTopics(ctx, w.table(), w.outcomes(), w.events(), w.commands())
		if err != nil {
			return err
		}
		for _, d := range listed {
			if d.Err == nil {
				return fmt.Errorf("%s is there", d.Topic)
			}
		}
		return nil
	})
	w.client.Close()
	w.connect()
	compact := "compact"
	w.create(w.table(), map[string]*string{"cleanup.policy": &compact})
	w.create(w.outcomes(), nil)
	w.create(w.events(), nil)
	w.create(w.commands(), nil)
	w.sent.Store(0)
	w.send(600, 6)
	// the new topics become longer than the old store knows, so that only their ids tell them apart
	r = w.start("b")
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	for c := range 50 { // what the new topics begin with: the old store's places are behind it
		w.produce(&kgo.Record{Topic: w.commands(), Key: fmt.Appendf(nil, "k%d", c%6), Value: fmt.Appendf(nil, "c%d 1", c)})
	}
	r = w.start("a")
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	w.check()
}

func TestStoreThatWasAwayTooLongIsRebuilt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	want := expected{group: "g", partition: 1, tableID: "t", longestAbsence: time.Hour}
	open := func() (*store, string) {
		s, reason, err := openStore(folder{}, path, want, discard)
		if err != nil {
			t.Fatal(err)
		}
		return s, reason
	}
	write := func(s *store, seen time.Time) {
		s.receipt.Seen = seen
		if err := s.write([]stored{{kindRow, "k", []byte("v")}}, s.receipt, true); err != nil {
			t.Fatal(err)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
	s, reason := open()
	if reason != "" {
		t.Errorf("a new store is rebuilt: %s", reason)
	}
	write(s, time.Now().Add(-59*time.Minute))
	s, reason = open()
	if value, _ := s.get(kindRow, []byte("k")); reason != "" || string(value) != "v" {
		t.Errorf("a store that was away for a while: %q, %q", value, reason)
	}
	write(s, time.Now().Add(-61*time.Minute))
	s, reason = open()
	if value, _ := s.get(kindRow, []byte("k")); reason == "" || value != nil {
		t.Errorf("a store that was away for too long: %q, %q", value, reason)
	}
	write(s, time.Now().Add(2*time.Hour))
	s, reason = open()
	if reason == "" {
		t.Error("a store from the future is trusted")
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	want.partition = 2
	s, reason = open()
	if reason == "" {
		t.Error("another partition's store is trusted")
	}
	if _, _, err := openStore(folder{}, path, want, discard); err == nil {
		t.Error("a store that is open was opened again")
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}

// A process that was frozen right after its restore does not know what was deleted meanwhile: its
// store is as old as the restore.
func TestStoreOfAFrozenProcessIsNoNewerThanItsRestore(t *testing.T) {
	s, _, err := openStore(folder{}, filepath.Join(t.TempDir(), "store"), expected{group: "g", longestAbsence: time.Hour}, discard)
	if err != nil {
		t.Fatal(err)
	}
	restored := time.Now().UTC()
	s.interval, s.metrics, s.point, s.receipt.Seen = time.Hour, &Metrics{}, func(string) {}, restored
	s.run()
	s.mu.Lock()
	s.see(restored.Add(frozenAfter / 2))
	seen := s.receipt.Seen
	s.see(seen.Add(2 * frozenAfter))
	s.mu.Unlock()
	if !seen.After(restored) {
		t.Error("an idle store does not note that it is complete")
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if !s.receipt.Seen.Equal(seen) {
		t.Errorf("after a freeze the store says that it was complete at %s, %s after it was last known to be", s.receipt.Seen, s.receipt.Seen.Sub(seen))
	}
	frozen, _, err := openStore(folder{}, filepath.Join(t.TempDir(), "store"), expected{group: "g", longestAbsence: time.Hour}, discard)
	if err != nil {
		t.Fatal(err)
	}
	frozen.interval, frozen.metrics, frozen.point, frozen.receipt.Seen = time.Hour, &Metrics{}, func(string) {}, restored
	frozen.run()
	frozen.mu.Lock()
	frozen.see(restored.Add(2 * frozenAfter))
	frozen.mu.Unlock()
	if err := frozen.close(); err != nil {
		t.Fatal(err)
	}
	if !frozen.receipt.Seen.Equal(restored) {
		t.Errorf("frozen right after the restore, the store says that it was complete at %s", frozen.receipt.Seen)
	}
}

// What the live store has and what a rebuilt one has is the same.
func TestRebuiltStoreIsTheLiveStore(t *testing.T) {
	w := newWorld(t, 2)
	w.send(3000, 200)
	r := w.start("a")
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	r = w.start("b")
	w.awaitRecovered(r)
	mustNotFail(t, r.stop())
	for p := range 2 {
		var contents [2]map[string]string
		for i, instance := range []string{"a", "b"} {
			s, reason, err := openStore(folder{}, filepath.Join(w.dir, instance, "exactly-once", w.name, fmt.Sprintf("%s.%d", w.table(), p)), w.expected(p), discard)
			if err != nil || reason != "" {
				t.Fatal(err, reason)
			}
			contents[i] = map[string]string{}
			for _, kind := range []byte{kindRow, kindIndex} {
				if err := s.each(kind, func(key string, value []byte) bool {
					contents[i][string(kind)+key] = string(value)
					return true
				}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.close(); err != nil {
				t.Fatal(err)
			}
		}
		if len(contents[0]) != len(contents[1]) || len(contents[0]) < 1000 {
			t.Errorf("partition %d: %d live, %d rebuilt", p, len(contents[0]), len(contents[1]))
		}
		for key, live := range contents[0] {
			if contents[1][key] != live {
				t.Fatalf("partition %d, %q: %q live, %q rebuilt", p, key, live, contents[1][key])
			}
		}
	}
}

func (w *world) expected(partition int) expected {
	w.t.Helper()
	listed, err := w.admin.ListTopics(context.Background(), w.table(), w.outcomes())
	if err != nil {
		w.t.Fatal(err)
	}
	return expected{group: w.name, partition: int32(partition), tableID: listed[w.table()].ID.String(), indexID: listed[w.outcomes()].ID.String(), longestAbsence: time.Hour}
}

// A generation that is over commits nothing, in a transaction or not, and leaves nothing open.
func TestOldGenerationCannotCommit(t *testing.T) {
	w := newWorld(t, 1)
	var once sync.Once
	hold := make(chan struct{})
	r := w.start("a", func(c *Config) {
		c.point = func(name string) {
			if name == pointRestored {
				once.Do(func() { close(hold) })
			}
		}
	})
	<-hold
	w.awaitRecovered(r)
	r.mu.Lock()
	g := r.runner.engine.Load().current.Load()
	r.mu.Unlock()
	var zombies []*franzTxn
	for _, p := range protocols() {
		zombies = append(zombies, w.newTxn(transactionalID("", w.name, "zombie", len(zombies)), p))
	}
	base := Offsets{Group: w.name, Topic: w.commands(), Next: map[int32]int64{0: 1000}, Generation: g.id, MemberID: g.member, InstanceID: instanceID(w.name, "a")}
	for name, spoil := range map[string]func(*Offsets){
		"an older generation":   func(o *Offsets) { o.Generation-- },
		"a member that is gone": func(o *Offsets) { o.MemberID, o.InstanceID = "gone", "" },
	} {
		o := base
		spoil(&o)
		for _, txn := range zombies {
			work := &Work{Offsets: o, Outputs: [][]kgo.Record{{{Topic: w.table(), Key: []byte("k0"), Value: []byte("99 99")}}},
				Produced: func() {}, Sent: func() {}, Track: [2]string{w.table(), ""}}
			if err := txn.Commit(t.Context(), work); !errors.Is(err, errGenerationOver) {
				t.Errorf("%s of %s: %v", txn.protocol, name, err)
			}
			if err := txn.CommitOffsets(t.Context(), o); !errors.Is(err, errGenerationOver) {
				t.Errorf("offsets of %s: %v", name, err)
			}
		}
	}
	o := base
	o.MemberID = "an older self"
	if err := zombies[0].CommitOffsets(t.Context(), o); Cause(err) != CauseFenced {
		t.Errorf("offsets of an older self: %v (%s)", err, Cause(err))
	}
	w.send(20, 4)
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	w.check()
}

// Records that somebody else wrote to the table are left out of the restore, and counted: one
// without a key, and one of another partition.
func TestForeignRecordsAreLeftOut(t *testing.T) {
	w := newWorld(t, 2)
	w.send(50, 5)
	r := w.start("a")
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	stray := w.other(w.name + "-stray")
	home := topology.PartitionOf([]byte("k0"), 2)
	w.write(stray, "k0", "99 99", 1-home, &commit)
	w.write(stray, "", "99 99", 0, &commit)
	var foreign atomic.Int64
	r = w.start("b", func(c *Config) { c.Metrics.Foreign = func(string) { foreign.Add(1) } })
	w.awaitRecovered(r)
	if n := foreign.Load(); n != 2 {
		t.Errorf("%d foreign records counted, want 2", n)
	}
	w.send(50, 5)
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
}
