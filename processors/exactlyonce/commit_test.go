package exactlyonce

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/topology"
)

// pause stops an engine the first time it reaches a point, until it may go on.
type pause struct {
	w       *world
	point   string
	reached chan struct{}
	release chan struct{}
	goOn    func()
}

func (w *world) pause(point string) *pause {
	p := &pause{w: w, point: point, reached: make(chan struct{}), release: make(chan struct{})}
	p.goOn = sync.OnceFunc(func() { close(p.release) })
	return p
}

// set puts the pause into an instance's configuration.
func (p *pause) set(c *Config) {
	before := c.point
	var once sync.Once
	c.point = func(name string) {
		if before != nil {
			before(name)
		}
		if name == p.point {
			once.Do(func() {
				close(p.reached)
				<-p.release
			})
		}
	}
}

func (p *pause) await() {
	p.w.t.Helper()
	select {
	case <-p.reached:
	case <-time.After(30 * time.Second):
		p.w.t.Fatalf("the engine did not come to the point %q", p.point)
	}
}

// engine returns the running attempt.
func (r *running) engine() *engine {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runner.engine.Load()
}

// As long as the transaction may still be aborted, neither the store nor the group's offsets know
// anything of it.
func TestNothingCountsBeforeTheCommit(t *testing.T) {
	w := newWorld(t, 1)
	w.send(20, 4)
	inside := w.pause(pointOffsets)
	defer inside.goOn()
	r := w.start("a", inside.set)
	inside.await()
	store := r.engine().current.Load().ordered[0].store
	if err := store.flush(true); err != nil {
		t.Fatal(err)
	}
	if err := store.each(kindRow, func(key string, value []byte) bool {
		t.Errorf("the store has row %s (%s), and its transaction may still be aborted", key, value)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	committed, err := w.admin.FetchOffsets(t.Context(), w.name)
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := committed.Lookup(w.commands(), 0); ok && o.At >= 0 {
		t.Errorf("offset %d counts, and its transaction may still be aborted", o.At)
	}
	inside.goOn()
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	w.check()
}

// A row belongs to its transaction, also where others before and after it have the same key, and so
// does the offset of its input: who reads in between would miss the one, and who goes on from there
// would skip the other.
func TestEveryTransactionHasItsRowsAndItsOffset(t *testing.T) {
	w := newWorld(t, 1)
	w.send(1, 1)
	cut, committed := w.pause(pointBeforeTransaction), w.pause(pointAfterTransaction)
	defer cut.goOn()
	defer committed.goOn()
	var decided atomic.Int64
	r := w.start("a", cut.set, committed.set, func(c *Config) {
		before := c.point
		c.point = func(name string) {
			if name == pointDecided {
				decided.Add(1)
			}
			before(name)
		}
	})
	rows := func() (n int) {
		for _, record := range w.read(w.table())[0] {
			if !strings.HasPrefix(string(record.Key), topology.ProgressPrefix) {
				n++
			}
		}
		return n
	}
	cut.await()
	w.send(2, 1)
	w.eventually(30*time.Second, "a newer row in the next batch", func() error {
		// the third is decided after the second has joined the batch
		if n := decided.Load(); n < 3 {
			return fmt.Errorf("%d inputs decided", n)
		}
		return nil
	})
	cut.goOn()
	committed.await()
	if n := rows(); n != 1 {
		t.Errorf("the first transaction wrote %d rows, want that of its command", n)
	}
	offsets, err := w.admin.FetchOffsets(t.Context(), w.name)
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := offsets.Lookup(w.commands(), 0); o.At != 1 {
		t.Errorf("offset %d is committed with the first transaction, which has one input", o.At)
	}
	committed.goOn()
	w.awaitHandled(r)
	if n := rows(); n < 2 {
		t.Errorf("the first two transactions wrote %d rows, want one each", n)
	}
	mustNotFail(t, r.stop())
	w.check()
}

// forgetful loses the answer to the end of one transaction, which took effect or did not.
type forgetful struct {
	Txn
	effect bool
	lost   *atomic.Bool
}

func (f forgetful) Commit(ctx context.Context, w *Work) error {
	if f.lost.Swap(true) {
		return f.Txn.Commit(ctx, w)
	}
	if f.effect {
		if err := f.Txn.Commit(ctx, w); err != nil {
			return err
		}
	}
	return failf(CauseTransaction, "the answer was lost")
}

// What became of a transaction whose end is unknown is learned from the log: it is neither taken
// for committed nor for aborted.
func TestUnknownEndIsLearnedFromTheLog(t *testing.T) {
	for name, effect := range map[string]bool{"committed": true, "aborted": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			setup := w.pause(pointSetup)
			defer setup.goOn()
			r := w.start("a", setup.set)
			setup.await()
			var lost atomic.Bool
			for i, txn := range r.engine().txns.txns {
				r.engine().txns.txns[i] = forgetful{txn, effect, &lost}
			}
			setup.goOn()
			w.send(50, 5)
			w.eventually(30*time.Second, "the answer to be lost", func() error {
				if !lost.Load() {
					return fmt.Errorf("%s", r.status())
				}
				return nil
			})
			w.send(50, 5)
			w.awaitHandled(r)
			if errs := r.stop(); len(errs) != 1 || Cause(errs[0]) != CauseTransaction {
				t.Errorf("attempts stopped with %v, want one that does not know its transaction's end", errs)
			}
			w.check()
		})
	}
}

// Who has read a progress record has read all that it speaks of.
func TestProgressFollowsWhatItSpeaksOf(t *testing.T) {
	w := newWorld(t, 1)
	r := w.start("a")
	for range 5 {
		w.send(100, 1)
		w.awaitHandled(r)
	}
	mustNotFail(t, r.stop())
	w.check()
	var last row
	for _, record := range w.read(w.table())[0] {
		text := header(record, "foldlog-progress")
		if text == "" {
			var err error
			if last, err = parseRow(string(record.Value)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var offset int64
		if _, err := fmt.Sscanf(text, "acc/0/%d", &offset); err != nil {
			t.Fatal(err)
		}
		if last.version < offset+1 { // the one key's version counts the commands
			t.Errorf("progress speaks of command %d, the row before it has only %d", offset, last.version)
		}
	}
}

// A group without state, as a re-key is, keeps the order of a key's inputs.
func TestStatelessGroupKeepsTheOrder(t *testing.T) {
	w := newWorld(t, 2)
	g := w.group()
	g.Table, g.Index, g.ProgressTopic = nil, nil, ""
	g.Handle = func(_ context.Context, in *recordType, _ memoryType) (stepType, error) {
		return stepType{Records: []recordType{{Topic: w.events(), Key: in.Key, Value: in.Value}}}, nil
	}
	w.send(500, 10)
	r := w.startGroup(g, "a")
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	values := func(records []*kgo.Record) (all []string) {
		for _, record := range records {
			all = append(all, string(record.Key)+" "+string(record.Value))
		}
		return all
	}
	commands, events := w.read(w.commands()), w.read(w.events())
	for p := range int32(w.partitions) {
		same(t.Errorf, "record", values(commands[p]), values(events[p]))
	}
}

func TestCommandsFromBeforeTheFirstStartAreHandled(t *testing.T) {
	w := newWorld(t, 1)
	w.send(20, 4)
	r := w.start("a")
	w.eventually(30*time.Second, "anything to be handled", func() error {
		w.send(1, 4) // a group that starts at the end handles these alone
		if w.outcomesCommitted() == 0 {
			return fmt.Errorf("%s", r.status())
		}
		return nil
	})
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	w.check()
}

func TestAbortedInputsAreNotHandled(t *testing.T) {
	w := newWorld(t, 1)
	stray := w.other(w.name + "-stray")
	for i := range 3 {
		w.send(10, 2)
		if err := stray.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		record := &kgo.Record{Topic: w.commands(), Key: []byte("k0"), Value: fmt.Appendf(nil, "aborted%d 5", i)}
		if err := stray.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := stray.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
			t.Fatal(err)
		}
	}
	w.send(10, 2)
	r := w.start("a")
	w.awaitOutcomes(40, r) // not the end of the input, which may be a marker
	mustNotFail(t, r.stop())
	w.check()
}
