package devcluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestKill9AndTransactions: committed transactions are there with their offsets, one that was open
// at the kill is aborted, and its producer is fenced.
func TestKill9AndTransactions(t *testing.T) {
	dir := t.TempDir()
	p := spawn(t, dir)
	createTopic(t, p.brokers, "log", 2, nil)
	c := client(t, p.brokers, kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for i := range 10 {
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for partition := range int32(2) {
			produce(t, c, &kgo.Record{Topic: "log", Partition: partition, Value: fmt.Append(nil, i)})
		}
		if err := c.EndTransaction(soon(t), kgo.TransactionEndTry(i%2 == 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, c, &kgo.Record{Topic: "log", Partition: 0, Value: []byte("open")})
	before, _, err := c.ProducerID(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	p.kill()
	p = spawnOn(t, dir, p.brokers[0])
	if err := c.EndTransaction(soon(t), kgo.TryCommit); err == nil {
		t.Error("a producer that outlived the kill committed the transaction that was aborted")
	}

	var got []string
	for _, r := range read(t, p.brokers, "log", 10, kgo.FetchIsolationLevel(kgo.ReadCommitted())) {
		got = append(got, string(r.Value))
	}
	counts := make(map[string]int)
	for _, v := range got {
		counts[v]++
	}
	if want := map[string]int{"0": 2, "2": 2, "4": 2, "6": 2, "8": 2}; !maps.Equal(counts, want) {
		t.Errorf("committed records: %v, want %v", counts, want)
	}
	// Nothing waits for the open transaction, and the transactional id goes on with the same
	// producer id, so that it stays fenced.
	again := client(t, p.brokers, kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := again.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, again, &kgo.Record{Topic: "log", Partition: 0, Value: []byte("after")})
	if err := again.EndTransaction(soon(t), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if after, _, err := again.ProducerID(soon(t)); err != nil || after != before {
		t.Errorf("producer id %d, %v; want %d as before the kill", after, err, before)
	}
	records := read(t, p.brokers, "log", 11, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	for _, r := range records {
		if string(r.Value) == "open" {
			t.Error("a record of the open transaction is shown as committed")
		}
	}
}

// committedValues returns the values of each partition that a read_committed consumer sees, in
// order.
func committedValues(t *testing.T, brokers []string, topic string) map[int32][]string {
	t.Helper()
	ends, err := admin(t, brokers).ListCommittedOffsets(soon(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, brokers, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	defer c.Close()
	values, at := make(map[int32][]string), make(map[int32]int64)
	ctx := soon(t)
	for {
		missing := false
		ends.Each(func(o kadm.ListedOffset) { missing = missing || at[o.Partition] < o.Offset })
		if !missing {
			return values
		}
		fetches := c.PollFetches(ctx)
		if err := errors.Join(fetches.Err0(), ctx.Err()); err != nil {
			t.Fatalf("read %s: %v; at %v of %v", topic, err, at, ends)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at[r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				values[r.Partition] = append(values[r.Partition], string(r.Value))
			}
		})
	}
}

// TestKill9BetweenCommitSteps kills the cluster again and again under transactions, each with one
// record in each of three partitions and an offset. Each transaction must be there as a whole or
// not at all.
func TestKill9BetweenCommitSteps(t *testing.T) {
	const producers, partitions, rounds = 3, 3, 6
	dir := t.TempDir()
	p := spawn(t, dir)
	createTopic(t, p.brokers, "log", partitions, appendTime)
	var mu sync.Mutex
	told := make(map[string]bool) // commits that were acknowledged
	next := make([]int, producers)
	for range rounds {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		before := len(told)
		for k := range producers {
			all.Go(func() {
				transact(ctx, p.brokers, k, partitions, &next[k], func(value string) {
					mu.Lock()
					defer mu.Unlock()
					told[value] = true
				})
			})
		}
		wait := soon(t)
		for enough := false; !enough; {
			mu.Lock()
			enough = len(told) >= before+50+rand.IntN(20)
			mu.Unlock()
			select {
			case <-wait.Done():
				t.Fatal("too few transactions")
			case <-time.After(time.Duration(rand.IntN(1000)) * time.Microsecond):
			}
		}
		p.kill()
		cancel()
		all.Wait()
		p = spawn(t, dir)
	}
	values := committedValues(t, p.brokers, "log")
	for k := range producers {
		mine := func(of []string) []string {
			return slices.DeleteFunc(slices.Clone(of), func(v string) bool { return !strings.HasPrefix(v, fmt.Sprintf("%d/", k)) })
		}
		want := mine(values[0])
		for i := range int32(partitions) {
			if got := mine(values[i]); !slices.Equal(got, want) {
				t.Errorf("producer %d: partition %d has %d transactions, partition 0 has %d: a commit is half done", k, i, len(got), len(want))
			}
		}
		for value := range told {
			if strings.HasPrefix(value, fmt.Sprintf("%d/", k)) && !slices.Contains(want, value) {
				t.Errorf("the acknowledged transaction %s is lost", value)
			}
		}
		var offset int64 = -1
		if len(want) > 0 {
			_, last, _ := strings.Cut(want[len(want)-1], "/")
			n, _ := strconv.Atoi(last)
			offset = int64(n) + 1
		}
		fetched, err := admin(t, p.brokers).FetchOffsets(soon(t), fmt.Sprint("group", k))
		if o, _ := fetched.Lookup("log", 0); err != nil || o.At != offset {
			t.Errorf("producer %d: the committed offset is %d, %v, but the last committed transaction wrote %d", k, o.At, err, offset)
		}
	}
	t.Logf("%d transactions acknowledged, %d in the log", len(told), len(values[0]))
}

// transact writes transactions until ctx ends or one fails.
func transact(ctx context.Context, brokers []string, k, partitions int, next *int, told func(string)) {
	id := fmt.Sprint("tx", k)
	c, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.TransactionalID(id), kgo.ProducerLinger(0), kgo.MaxVersions(transactionsV1()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return
	}
	defer c.Close()
	// nothing else ends a record whose acknowledgement may be lost
	defer context.AfterFunc(ctx, c.Close)()
	for ctx.Err() == nil {
		i := *next
		*next++
		if c.BeginTransaction() != nil {
			return
		}
		value := fmt.Sprintf("%d/%d", k, i)
		var records []*kgo.Record
		for partition := range partitions {
			records = append(records, &kgo.Record{Topic: "log", Partition: int32(partition), Value: []byte(value)})
		}
		if c.ProduceSync(ctx, records...).FirstErr() != nil || commitInTransaction(ctx, c, id, fmt.Sprint("group", k), "log", int64(i)+1) != nil ||
			c.EndTransaction(ctx, kgo.TryCommit) != nil {
			return
		}
		told(value)
	}
}

func commitInTransaction(ctx context.Context, c *kgo.Client, id, group, topicName string, offset int64) error {
	return commitOffset(ctx, c, id, group, "", -1, topicName, 0, offset)
}

// TestRecovery makes what a kill between two writes leaves, from what a kill at rest leaves, and
// looks at what becomes of it.
func TestRecovery(t *testing.T) {
	dir := t.TempDir()
	p := spawn(t, dir)
	createTopic(t, p.brokers, "log", 2, nil)
	both := func(c *kgo.Client, value string) {
		t.Helper()
		for partition := range int32(2) {
			produce(t, c, &kgo.Record{Topic: "log", Partition: partition, Value: []byte(value)})
		}
	}
	manual := kgo.RecordPartitioner(kgo.ManualPartitioner())
	both(client(t, p.brokers, manual), "plain")
	c := client(t, p.brokers, kgo.TransactionalID("tx"), manual, kgo.MaxVersions(transactionsV1()))
	for _, step := range []struct {
		value string
		end   kgo.TransactionEndTry
	}{{"aborted", kgo.TryAbort}, {"committed", kgo.TryCommit}} {
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		both(c, step.value)
		if err := c.EndTransaction(soon(t), step.end); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	both(c, "open")
	id, epoch, err := c.ProducerID(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	p.kill()

	note := func(epoch int16, bump ...bool) []byte {
		text, err := appendEntry(nil, commitNote{PID: id, Epoch: epoch, Bump: len(bump) > 0,
			Offsets: []commitEntry{{Type: "commit", Group: "group", Topic: "log", Partition: 1, Offset: 7}}})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	aborted, committed := []string{"plain", "committed"}, []string{"plain", "committed", "open"}
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   []string
		offset int64
	}{
		{"open transaction", func(*testing.T, string) {}, aborted, -1},
		{"commit not begun", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, commitFile), string(note(epoch)))
		}, committed, 7},
		{"commit half done", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, commitFile), string(note(epoch)))
			endOpen(t, dir, 0, producer{id, epoch})
		}, committed, 7},
		{"commit half done in transactions V2", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, commitFile), string(note(epoch, true)))
			endOpen(t, dir, 1, producer{id, epoch})
		}, committed, 7},
		{"commit of an earlier life", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, commitFile), string(note(epoch-1)))
		}, aborted, 7},
		{"torn note", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, commitFile), string(note(epoch)[:30]))
		}, aborted, -1},
		{"missing index entry", func(t *testing.T, dir string) {
			shorten(t, segment(dir, 0)+".idx", indexEntryBytes)
		}, aborted, -1},
		{"torn index entry", func(t *testing.T, dir string) {
			shorten(t, segment(dir, 0)+".idx", 4)
		}, aborted, -1},
		{"no index", func(t *testing.T, dir string) {
			if err := os.Remove(segment(dir, 1) + ".idx"); err != nil {
				t.Fatal(err)
			}
		}, aborted, -1},
		{"torn batch", func(t *testing.T, dir string) {
			shorten(t, segment(dir, 0)+".dat", 5)
		}, aborted, -1},
		{"torn logs", func(t *testing.T, dir string) {
			for _, name := range []string{"groups.log", "pids.log"} {
				if err := appendFile(filepath.Join(dir, kafkaDir, name), []byte("\x40\x00\x00\x00torn")); err != nil {
					t.Fatal(err)
				}
			}
		}, aborted, -1},
		{"killed in recovery", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, commitFile), string(note(epoch)))
			for range 2 {
				if err := recoverKafka(filepath.Join(dir, kafkaDir), filepath.Join(dir, commitFile), slog.New(slog.DiscardHandler)); err != nil {
					t.Fatal(err)
				}
			}
		}, committed, 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			copied := t.TempDir()
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			test.damage(t, copied)
			checkRecovered(t, copied, test.want, test.offset)
		})
	}
}

// checkRecovered starts a recovered cluster, uses it, and starts it again: both times it must show
// the same.
func checkRecovered(t *testing.T, dir string, want []string, offset int64) {
	c := started(t, dir)
	check := func(when string) {
		t.Helper()
		for partition, got := range committedValues(t, c.Brokers(), "log") {
			if !slices.Equal(got, want) {
				t.Errorf("%s: partition %d shows %v, want %v", when, partition, got, want)
			}
		}
		fetched, err := admin(t, c.Brokers()).FetchOffsets(soon(t), "group")
		if o, ok := fetched.Lookup("log", 1); offset >= 0 && (err != nil || !ok || o.At != offset) {
			t.Errorf("%s: committed offset %d, %v; want %d", when, o.At, err, offset)
		}
	}
	check("recovered")
	// The same transactional id goes on, and its records are seen: they are not taken for those of
	// the aborted transaction.
	producer := client(t, c.Brokers(), kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := producer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for partition := range int32(2) {
		produce(t, producer, &kgo.Record{Topic: "log", Partition: partition, Value: []byte("after")})
	}
	offset++
	offsets := make(kadm.Offsets)
	offsets.AddOffset("log", 1, offset, -1)
	if err := admin(t, c.Brokers()).CommitAllOffsets(soon(t), "group", offsets); err != nil {
		t.Fatal(err)
	}
	if err := producer.EndTransaction(soon(t), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	producer.Close()
	want = append(slices.Clone(want), "after")
	check("used")
	closed(t, c)
	write(t, filepath.Join(dir, pidFile), "1") // as after a kill
	c = started(t, dir)
	check("recovered again")
}

func segment(dir string, partition int) string {
	return filepath.Join(dir, kafkaDir, "partitions", fmt.Sprintf("log-%d", partition), "0")
}

func shorten(t *testing.T, path string, bytes int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()-bytes)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// endOpen commits the open transaction in one partition only.
func endOpen(t *testing.T, dir string, partition int, p producer) {
	t.Helper()
	text, err := os.ReadFile(segment(dir, partition) + ".dat")
	if err != nil {
		t.Fatal(err)
	}
	batches, whole := readBatches(text)
	if whole != int64(len(text)) {
		t.Fatalf("%d of %d bytes are batches", whole, len(text))
	}
	m := marker(batches[len(batches)-1].end(), p, true, time.Now())
	if err := errors.Join(appendFile(segment(dir, partition)+".dat", m), appendFile(segment(dir, partition)+".idx", indexEntry(m))); err != nil {
		t.Fatal(err)
	}
}

// TestResentBatchIsKnownAfterAKill: a producer that outlives the broker sends again what it has no
// acknowledgement of.
func TestResentBatchIsKnownAfterAKill(t *testing.T) {
	dir := t.TempDir()
	p := spawn(t, dir)
	createTopic(t, p.brokers, "log", 1, nil)
	c := client(t, p.brokers)
	initialize := kmsg.NewPtrInitProducerIDRequest()
	given, err := initialize.RequestWith(soon(t), c)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	numbered := func(sequence int32) batch {
		b := rawBatch(longAgo)
		binary.BigEndian.PutUint64(b[producerIDAt:], uint64(given.ProducerID))
		binary.BigEndian.PutUint16(b[producerEpochAt:], uint16(given.ProducerEpoch))
		binary.BigEndian.PutUint32(b[baseSequenceAt:], uint32(sequence))
		b.sign()
		return b
	}
	const n = 7 // more than are known again
	for i := range int32(n) {
		if code := produceRaw(t, p.brokers, "log", numbered(i)); code != 0 {
			t.Fatalf("batch %d: code %d", i, code)
		}
	}
	p.kill()
	p = spawn(t, dir)
	for _, again := range []int32{n - 1, n - 3, n} { // the last is new
		if code := produceRaw(t, p.brokers, "log", numbered(again)); code != 0 {
			t.Errorf("batch %d again: code %d", again, code)
		}
	}
	ends, err := admin(t, p.brokers).ListEndOffsets(soon(t), "log")
	if o, _ := ends.Lookup("log", 0); err != nil || o.Offset != n+1 {
		t.Errorf("the log ends at %d, %v; want %d", o.Offset, err, n+1)
	}
}
