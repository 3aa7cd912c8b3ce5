package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// generation is one assignment of partitions to this member: its lanes, its fetcher and its
// committer. Nothing of it outlives it.
type generation struct {
	engine  *engine
	id      int32
	member  string
	lanes   map[int32]*lane
	ordered []*lane
	fetcher *fetcher
	store   expected

	batchLimit  int64 // of one lane, in bytes
	inputsLimit int   // of one lane

	ctx    context.Context // ends with the session, or earlier
	cancel context.CancelCauseFunc

	work  chan struct{} // a batch has something to write
	later chan struct{} // a batch has nothing but offsets

	stop      chan struct{}
	committer sync.WaitGroup

	mu  sync.Mutex
	bad error // why nothing may be committed any more
}

func newGeneration(e *engine, session sarama.ConsumerGroupSession) (*generation, error) {
	g := &generation{
		engine: e, id: session.GenerationID(), member: session.MemberID(), lanes: map[int32]*lane{},
		work: make(chan struct{}, 1), later: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	g.ctx, g.cancel = context.WithCancelCause(session.Context())
	g.fetcher = newFetcher(g)
	assigned := session.Claims()[e.group.Input]
	if len(e.stateTopics()) > 0 && len(assigned) > 0 {
		var err error
		if g.store, err = e.expectedStore(); err != nil {
			return g, err
		}
	}
	for _, partition := range assigned {
		if int(partition) >= e.group.Partitions {
			return g, failf(CauseConfiguration, "%s has a partition %d, the group was made for %d partitions: keys would move away from their state",
				e.group.Input, partition, e.group.Partitions)
		}
		l := newLane(g, partition, len(assigned))
		g.lanes[partition] = l
		g.ordered = append(g.ordered, l)
	}
	lanes := max(len(assigned), 1)
	g.batchLimit = max(e.config.BatchBytes/int64(lanes), 256<<10)
	g.inputsLimit = max(batchInputs/lanes, carrierSize)
	return g, nil
}

// batchInputs bounds the inputs of one transaction, over all lanes. Beyond some ten thousand, more
// inputs save nothing: they make latency long and fall out of the processor's caches before they
// are sent.
const batchInputs = 32 << 10

// full reports whether a lane should wait for a cut before it adds to its batch.
func (g *generation) full(b *batch) bool { return b.bytes > g.batchLimit || b.inputs >= g.inputsLimit }

// wakeup tells the committer that there is something to write.
func (g *generation) wakeup() { notify(g.work) }

// wakeupLater tells the committer that there are offsets of inputs without any effect. Nobody waits
// for them.
func (g *generation) wakeupLater() { notify(g.later) }

// spoil notes that nothing may be committed any more, and ends the generation.
func (g *generation) spoil(err error) {
	g.mu.Lock()
	if g.bad == nil {
		g.bad = err
	}
	g.mu.Unlock()
	g.cancel(err)
}

func (g *generation) spoiled() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return errors.Join(g.bad, g.engine.failed())
}

// offsetsAfter is the time that offsets of inputs without any effect wait for a transaction to
// join.
const offsetsAfter = 200 * time.Millisecond

// start starts committing, and watching what waits.
func (g *generation) start() {
	g.committer.Go(g.watchWaits)
	g.committer.Go(func() {
		var timer <-chan time.Time
		for {
			select {
			case <-g.stop:
				return
			case <-g.work:
				timer = nil
			case <-g.later:
				if timer == nil {
					timer = time.After(offsetsAfter)
				}
				continue
			case <-timer:
				timer = nil
			}
			if err := g.commit(); err != nil {
				g.lost(err)
				return
			}
		}
	})
}

// lost ends the generation, or the whole attempt if nobody knows what was committed.
func (g *generation) lost(err error) {
	if errors.Is(err, errGenerationOver) {
		g.engine.log.Warn("the group went on without this member; what was not committed is dropped", "generation", g.id, "error", err)
		g.spoil(err)
		return
	}
	g.spoil(err)
	g.engine.fail(fail(CauseTransaction, err))
}

// finish ends the generation: no more inputs come, and the last batch is committed while the
// generation still stands. Goka's partition processors have stopped. Only the stores are still open
// then.
func (g *generation) finish() {
	g.cancel(nil)
	g.fetcher.close()
	close(g.stop)
	g.committer.Wait()
	g.commitLast()
}

func (g *generation) closeStores() {
	var closing sync.WaitGroup
	for _, l := range g.ordered {
		closing.Go(func() {
			if err := l.close(); err != nil {
				g.engine.log.Error("close a local store; it is mended or rebuilt when it is opened again", "partition", l.partition, "error", err)
			}
		})
	}
	closing.Wait()
}

// commitLast commits all handled inputs while the generation still stands. Nothing else commits any
// more.
func (g *generation) commitLast() {
	g.engine.point(pointCleanup)
	if g.spoiled() == nil {
		if err := g.commit(); err != nil {
			g.lost(err)
		}
	}
}

// offsets returns the places in the input after the parts of a transaction, in this generation's
// name.
func (g *generation) offsets(parts []part) Offsets {
	o := Offsets{
		Group: g.engine.group.Name, Topic: g.engine.group.Input, Next: make(map[int32]int64, len(parts)),
		Generation: g.id, MemberID: g.member, InstanceID: instanceID(g.engine.group.Name, g.engine.config.Instance),
	}
	for _, p := range parts {
		o.Next[p.lane.partition] = p.batch.next
	}
	return o
}

// partitions returns the assigned partitions in order, for logs.
func (g *generation) partitions() string {
	all := make([]int32, 0, len(g.lanes))
	for p := range g.lanes {
		all = append(all, p)
	}
	slices.Sort(all)
	return fmt.Sprint(all)
}
