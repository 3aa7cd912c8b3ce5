package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestEveryCommandTakesEffectOnce(t *testing.T) {
	w := newWorld(t, 4)
	r := w.start("a")
	w.send(2000, 50)
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	w.check()
}

func TestRepeatedCommandsAreAnsweredFromTheIndex(t *testing.T) {
	w := newWorld(t, 2)
	again := func() {
		for i := range 100 {
			w.produce(&kgo.Record{Topic: w.commands(), Key: []byte(fmt.Sprintf("k%d", i%10)), Value: []byte(fmt.Sprintf("c%d 3", i))})
		}
	}
	again()
	r := w.start("a")
	w.awaitHandled(r)
	again() // from memory
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	again()
	r = w.start("a") // from the store
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	if err := os.RemoveAll(w.dir + "/a"); err != nil {
		t.Fatal(err)
	}
	again()
	r = w.start("a") // from the topic
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	w.check()
}

func TestRestartsInGoodOrder(t *testing.T) {
	w := newWorld(t, 4)
	for range 4 {
		w.send(200, 20)
		r := w.start("a")
		w.awaitHandled(r)
		mustNotFail(t, r.stop())
	}
	w.check()
}

func TestStopUnderLoadLosesNothing(t *testing.T) {
	w := newWorld(t, 4)
	for range 5 {
		w.send(3000, 100)
		r := w.start("a")
		w.awaitRecovered(r)
		w.send(1000, 100)
		mustNotFail(t, r.stop())
	}
	r := w.start("a")
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	w.check()
}

func TestTwoInstancesShareAndHandOver(t *testing.T) {
	w := newWorld(t, 6)
	a := w.start("a")
	w.send(500, 60)
	w.awaitHandled(a)
	b := w.start("b")
	w.send(500, 60)
	w.awaitRecovered(a, b)
	w.send(500, 60)
	w.awaitHandled(a, b)
	began := time.Now()
	mustNotFail(t, a.stop())
	w.send(500, 60)
	w.awaitHandled(b)
	t.Logf("b had handled everything %s after a was told to stop", time.Since(began))
	c := w.start("c")
	d := w.start("a")
	for range 10 {
		w.send(100, 60)
	}
	w.awaitHandled(b, c, d)
	mustNotFail(t, b.stop())
	mustNotFail(t, c.stop())
	w.send(500, 60)
	w.awaitHandled(d)
	mustNotFail(t, d.stop())
	w.check()
}

// An instance that waits for others to join stops at once: they may take their time, and some
// brokers do not answer the join of a member that has left.
func TestStopWhileOthersAreWaitedFor(t *testing.T) {
	w := newWorld(t, 2)
	busy := w.pause(pointCleanup)
	defer busy.goOn()
	a := w.start("a", busy.set)
	w.send(50, 5)
	w.awaitHandled(a)
	b := w.start("b")
	busy.await() // b has joined, and the group waits for a
	stopped := make(chan []error, 1)
	go func() { stopped <- b.stop() }()
	select {
	case errs := <-stopped:
		mustNotFail(t, errs)
	case <-time.After(20 * time.Second): // sarama waits for an answer for longer
		t.Errorf("b still waits: %s", b.status())
	}
	busy.goOn()
	w.send(50, 5)
	w.awaitHandled(a)
	mustNotFail(t, a.stop())
	w.check()
}

// With a quick restart the others do not even notice.
func TestQuickRestartMovesNoPartition(t *testing.T) {
	if !onKafka {
		t.Skip("the embedded broker rebalances where a member comes back with other metadata; Apache Kafka does not")
	}
	w := newWorld(t, 4)
	quick := func(c *Config) { c.QuickRestart = true }
	leader := w.start("a", quick)
	w.send(200, 40)
	w.awaitHandled(leader)
	other := w.start("b", quick)
	w.send(200, 40)
	w.awaitRecovered(leader, other)
	w.awaitHandled(leader, other)
	before := leader.engine().current.Load()
	partitions := other.engine().current.Load().partitions()
	mustNotFail(t, other.stop())
	w.send(200, 40)
	other = w.start("b", quick)
	w.awaitRecovered(other)
	w.awaitHandled(leader, other)
	if leader.engine().current.Load() != before {
		t.Error("the group went through a rebalance")
	}
	if got := other.engine().current.Load().partitions(); got != partitions {
		t.Errorf("the instance had partitions %s and came back to %s", partitions, got)
	}
	mustNotFail(t, leader.stop())
	mustNotFail(t, other.stop())
	w.check()
}

func TestHandlerErrorsAreRetriedWhileOtherLanesGoOn(t *testing.T) {
	w := newWorld(t, 2)
	g := w.group()
	blocked := make(chan struct{})
	inner := g.Handle
	g.Handle = func(ctx context.Context, in *recordType, memory memoryType) (stepType, error) {
		if in.Partition == 0 {
			select {
			case <-blocked:
			default:
				return stepType{}, errors.New("the registry is down")
			}
		}
		return inner(ctx, in, memory)
	}
	w.send(100, 20)
	r := w.startGroup(g, "a")
	others := 0
	for _, c := range w.read(w.commands())[1] {
		_ = c
		others++
	}
	w.awaitOutcomes(others, r)
	if !strings.Contains(r.status(), "registry") {
		t.Errorf("the status does not say what is waited for: %q", r.status())
	}
	close(blocked)
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	w.check()
}

func TestPanicStopsTheAttempt(t *testing.T) {
	w := newWorld(t, 1)
	w.send(10, 3)
	w.produce(&kgo.Record{Topic: w.commands(), Key: []byte("k0"), Value: []byte("panic")})
	runner, err := New(w.group(), w.config("a"))
	if err != nil {
		t.Fatal(err)
	}
	err = runner.Run(context.Background())
	if Cause(err) != CausePanic {
		t.Errorf("cause %q of %v", Cause(err), err)
	}
}

func TestRowOfAnotherPartitionStopsTheAttempt(t *testing.T) {
	w := newWorld(t, 2)
	client, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for p := range int32(2) {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: w.commands(), Partition: p, Key: []byte("k1"), Value: []byte("x 1")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	runner, err := New(w.group(), w.config("a"))
	if err != nil {
		t.Fatal(err)
	}
	err = runner.Run(context.Background())
	if Cause(err) != CausePartitioning {
		t.Errorf("cause %q of %v", Cause(err), err)
	}
}

func TestOffsetsOfInputsThatLeadToNothingAreCommitted(t *testing.T) {
	w := newWorld(t, 1)
	for range 10 {
		w.produce(&kgo.Record{Topic: w.commands(), Key: []byte("k0"), Value: []byte("ignore")})
	}
	r := w.start("a")
	w.awaitCommitted(0, 10)
	mustNotFail(t, r.stop())
}

func (w *world) awaitCommitted(partition int32, want int64) {
	w.t.Helper()
	w.eventually(30*time.Second, "the offset to be committed", func() error {
		committed, err := w.admin.FetchOffsets(context.Background(), w.name)
		if err != nil {
			return err
		}
		if o, _ := committed.Lookup(w.commands(), partition); o.At != want {
			return fmt.Errorf("%d is committed, want %d", o.At, want)
		}
		return nil
	})
}

func TestOnlyTheLastRowOfATransactionIsWritten(t *testing.T) {
	w := newWorld(t, 1)
	w.send(20000, 5)
	r := w.start("a")
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	w.check()
	rows := len(w.read(w.table())[0])
	t.Logf("%d table records for 20000 commands", rows)
	if rows > 5000 {
		t.Errorf("%d table records for 20000 commands of 5 keys", rows)
	}
}

func TestStoreIsRebuiltWhereItCannotBeTrusted(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"deleted":      os.RemoveAll,
		"CURRENT lost": func(dir string) error { return each(dir, "CURRENT", os.Remove) },
		"CURRENT garbled": func(dir string) error {
			return each(dir, "CURRENT", func(f string) error { return os.WriteFile(f, []byte("garbage"), 0o600) })
		},
		"MANIFEST truncated": func(dir string) error {
			return each(dir, "MANIFEST-*", func(f string) error { return os.Truncate(f, 10) })
		},
		"journal flipped": func(dir string) error { return each(dir, "*.log", flip) },
		"journal truncated": func(dir string) error {
			return each(dir, "*.log", func(f string) error {
				info, err := os.Stat(f)
				if err != nil {
					return err
				}
				return os.Truncate(f, info.Size()/2)
			})
		},
		"journal lost": func(dir string) error { return each(dir, "*.log", os.Remove) },
		"swapped": func(dir string) error {
			a, _ := filepath.Glob(dir + "/exactly-once/*/*.0")
			b, _ := filepath.Glob(dir + "/exactly-once/*/*.1")
			return errors.Join(os.Rename(a[0], a[0]+"x"), os.Rename(b[0], a[0]), os.Rename(a[0]+"x", b[0]))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2)
			for range 5 { // several writes to the journal
				w.send(200, 30)
				r := w.start("a")
				w.awaitHandled(r)
				r.stop()
			}
			if err := spoil(w.dir + "/a"); err != nil {
				t.Fatal(err)
			}
			w.send(500, 30)
			r := w.start("a")
			w.awaitHandled(r)
			mustNotFail(t, r.stop())
			w.check()
		})
	}
}

// each applies f to all files of a pattern in the stores of an instance.
func each(dir, pattern string, f func(string) error) error {
	files, err := filepath.Glob(dir + "/exactly-once/*/*/" + pattern)
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no %s under %s (%v)", pattern, dir, err)
	}
	for _, file := range files {
		if err := f(file); err != nil {
			return err
		}
	}
	return nil
}

func flip(file string) error {
	data, err := os.ReadFile(file)
	if err != nil || len(data) < 100 {
		return err
	}
	data[len(data)/3] ^= 0x40
	return os.WriteFile(file, data, 0o600)
}

// Rows that were evicted from memory are found in the store, and none is evicted before it is
// there.
func TestMoreKeysThanTheCacheHolds(t *testing.T) {
	w := newWorld(t, 1)
	r := w.start("a", func(c *Config) { c.CacheBytes, c.FlushInterval = 1<<20, 300*time.Millisecond })
	for range 4 {
		w.send(20000, 20000)
	}
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	w.check()
}
