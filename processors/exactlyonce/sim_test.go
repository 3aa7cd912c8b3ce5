package exactlyonce

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/step"
	"github.com/foldlog/foldlog/topology"
)

var (
	simSeeds = flag.Uint64("sim.seeds", simSeedsByDefault, "how many seeds TestSimulation runs, from 1 or -sim.first on")
	simFirst = flag.Uint64("sim.first", 1, "the first seed of TestSimulation")
	simSeed  = flag.Uint64("sim.seed", 0, "the only seed that TestSimulation runs")
	simTrace = flag.Bool("sim.trace", false, "TestSimulation shows each step of a run, whether it fails or not")
)

// TestSimulation runs the engine's own code against simulated brokers and disks: crashes, stolen
// partitions, lost requests and answers, late markers, expired transactions, compaction, lost,
// damaged and foreign stores, in an order that the seed decides.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		s := simulate(t, *simSeed, 0, *simTrace)
		if *simTrace {
			t.Logf("steps:\n%s", strings.Join(s.trace, "\n"))
		}
		if s.failure != "" {
			reportSimulation(t, s)
		}
		return
	}
	defer debug.SetGCPercent(debug.SetGCPercent(1600)) // runs are short and leave nothing
	began := time.Now()
	var next atomic.Uint64
	var mu sync.Mutex
	var sum simStats
	var seeds, withCrash, withSteal, withLostResponse int
	var failed atomic.Bool
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for !failed.Load() {
				n := next.Add(1) - 1
				if n >= *simSeeds {
					return
				}
				s := simulate(t, *simFirst+n, 0, false)
				mu.Lock()
				seeds++
				sum.add(s.stats)
				withCrash += min(s.stats.crashes, 1)
				withSteal += min(s.stats.steals, 1)
				withLostResponse += min(s.stats.lostResponses, 1)
				if s.failure != "" && !failed.Swap(true) {
					reportSimulation(t, s)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	share := func(n int) int { return 100 * n / max(seeds, 1) }
	t.Logf("%d seeds in %s: %.0f seeds/s; %d%% with a crash, %d%% with a steal, %d%% with a lost response; %+v", seeds, took.Round(time.Millisecond),
		float64(seeds)/took.Seconds(), share(withCrash), share(withSteal), share(withLostResponse), sum)
}

// reportSimulation says what failed and how to see it again, with as few faults as still lead to
// it.
func reportSimulation(t *testing.T, s *sim) {
	low, high := 0, s.healAt
	for low < high { // is there a failure with faults up to the middle only?
		middle := (low + high) / 2
		if simulate(t, s.seed, max(middle, 1), false).failure != "" {
			high = middle
		} else {
			low = middle + 1
		}
	}
	shrunk := simulate(t, s.seed, max(high, 1), true)
	if shrunk.failure == "" { // faults beyond are needed, though not at each step between
		shrunk = simulate(t, s.seed, 0, true)
	}
	t.Errorf("seed %d: %s\nto see it again: go test ./processors/exactlyonce -run TestSimulation -sim.seed=%d -sim.trace\nwith faults up to step %d of %d: %s\n%s",
		s.seed, s.failure, s.seed, shrunk.healAt, s.healAt, shrunk.failure, strings.Join(shorten(shrunk.trace), "\n"))
}

// shorten leaves out the middle of a long list of steps.
func shorten(trace []string) []string {
	const first, last = 300, 700
	if len(trace) <= first+last {
		return trace
	}
	left := fmt.Sprintf("... %d steps; -sim.trace shows them ...", len(trace)-first-last)
	return append(append(slices.Clone(trace[:first]), left), trace[len(trace)-last:]...)
}

// simulate runs a seed. Faults end before a step, or where the seed says so for 0.
func simulate(t *testing.T, seed uint64, healAt int, tracing bool) *sim {
	s := &sim{seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), tracing: tracing}
	defer func() {
		if p := recover(); p != nil { // synctest found that nothing can go on
			s.fail("%v", p)
		}
	}()
	synctest.Test(t, func(*testing.T) { s.run(healAt) })
	return s
}

func (s *sim) run(healAt int) {
	s.finished = make(chan struct{}) // of the bubble
	partitions := 1 + s.rng.IntN(3)
	w := &world{name: "sim", partitions: partitions}
	w.topicEvents, w.topicOutcomes = w.events(), w.outcomes()
	s.brokers = newSimBrokers(s, partitions, w.commands(), w.events(), w.outcomes(), w.deadLetters(), w.table())
	s.clients = newSimClients(s, w)
	for i := range 2 + s.rng.IntN(2) {
		name := string(rune('a' + i))
		s.instances = append(s.instances, &simInstance{name: name, disk: &simDisk{sim: s, instance: name, databases: map[string]*simDatabase{}}, restartAt: s.rng.IntN(100)})
	}
	s.chooseFaults()
	if s.healAt = 200 + s.rng.IntN(800); healAt > 0 {
		s.healAt = healAt
	}
	s.spawn(nil, "director", s.direct).wake <- struct{}{}
	<-s.finished
	for _, task := range append([]*simTask{}, s.tasks...) {
		task.killed = true
		task.wake <- struct{}{}
		<-task.exited
	}
	for _, i := range s.instances {
		if i.process != nil {
			i.process.release()
		}
		i.disk.crash()
	}
	s.stats.steps = s.step
	s.current = nil
	if s.failure == "" {
		s.check()
	}
}

// direct ends the faults, waits until all is handled, and stops the instances in good order.
func (s *sim) direct() {
	s.await("the end of faults", func() bool { return s.step >= s.healAt })
	s.healed = true
	s.log("no more faults")
	for _, i := range s.instances {
		if i.process != nil {
			i.process.pausedUntil = 0
		}
	}
	s.await("all to be handled", s.drained)
	for _, i := range s.instances {
		i.restartAt = s.step + 2*simLongest
		if i.process != nil {
			i.process.stopping = true
		}
	}
	s.await("the instances to stop", func() bool {
		for _, i := range s.instances {
			if i.process != nil {
				return false
			}
		}
		return !s.brokers.deciding()
	})
	s.over = true
}

// drained reports whether everything sent is handled and decided.
func (s *sim) drained() bool {
	if s.clients.left > 0 || s.brokers.deciding() {
		return false
	}
	for p := range s.clients.world.partitions {
		if s.brokers.group.committed[int32(p)] < s.clients.end(int32(p)) {
			return false
		}
	}
	return true
}

// simClients sends commands to the group that counts.
type simClients struct {
	sim     *sim
	world   *world
	group   step.Group
	keys    map[source][]string
	relays  bool  // the group has no state and hands commands on, by other keys
	cache   int64 // bytes of a lane's shelves
	restore int64 // bytes of a restore
	left    int   // commands to send
	pace    int   // commands in a thousand steps
	sent    int
	names   int
	past    []*kgo.Record
}

func newSimClients(s *sim, w *world) *simClients {
	c := &simClients{sim: s, world: w, group: w.group(), keys: map[source][]string{}, left: 10 + s.rng.IntN(40), pace: 15 + s.rng.IntN(250), names: 1 + s.rng.IntN(6)}
	for p := range int32(w.partitions) {
		c.keys[source{"acc", p}] = topology.ProgressKeys("acc", p, w.partitions)
	}
	c.cache = int64(1+s.rng.IntN(6)) * (entryOverhead + 20)
	c.restore = 1 + s.rng.Int64N(3000)
	if c.relays = s.rng.IntN(6) == 0; c.relays {
		c.group.Table, c.group.Index, c.group.ProgressTopic, c.group.Handle = nil, nil, w.events(), c.relay
	}
	return c
}

// relay hands a command on under a key that may belong to another partition.
func (c *simClients) relay(_ context.Context, in *record.Record, _ step.Memory) (step.Step, error) {
	if string(in.Value) == "ignore" {
		return step.Step{}, nil
	}
	return step.Step{
		Records: []record.Record{{Topic: c.world.topicEvents, Key: fmt.Appendf(nil, "r%d", in.Offset%4), Value: in.Value,
			Headers: []record.Header{{Key: causeHeader, Value: fmt.Appendf(nil, "%d/%d", in.Partition, in.Offset)}}}},
		Progress: &step.Progress{Source: "acc", Partition: in.Partition, Offset: in.Offset},
	}, nil
}

// send sends a command: a new one, one that was sent before, one that is ignored, or one that
// nobody can read.
func (c *simClients) send() {
	s := c.sim
	if c.left == 0 {
		return
	}
	c.left--
	c.sent++
	key := fmt.Sprintf("k%d", s.rng.IntN(c.names))
	r := &kgo.Record{Key: []byte(key), Value: fmt.Appendf(nil, "c%d %d", c.sent, 1+s.rng.IntN(9))}
	switch n := s.rng.IntN(100); {
	case n < 20 && len(c.past) > 0:
		r = c.past[s.rng.IntN(len(c.past))]
	case n < 24:
		r.Value = []byte("ignore")
	case n < 28:
		r.Value = []byte("???")
	case n < 38 || n < 60 && s.faults.away > 0:
		r.Value = fmt.Appendf(nil, "c%d reset", c.sent)
		c.past = append(c.past, r)
	default:
		c.past = append(c.past, r)
	}
	p := s.brokers.partition(c.group.Input, topology.PartitionOf(r.Key, c.world.partitions))
	// Commands may come out of transactions of others.
	if s.chance(60) {
		s.brokers.append(p, &kgo.Record{Key: r.Key, Value: []byte("aborted 1")}, -1, decidedAborted)
		s.brokers.append(p, &kgo.Record{Attrs: controlAttrs}, -1, decidedCommitted)
	}
	offset := s.brokers.append(p, r, -1, decidedCommitted)
	s.log("command %s/%d: %s %s", p.topic, offset, r.Key, r.Value)
	if s.chance(30) {
		s.brokers.append(p, &kgo.Record{Attrs: controlAttrs}, -1, decidedCommitted)
	}
	if s.fault(30) {
		c.world.failures.Store(1) // the registry is away for a moment
	}
}

// end is the offset after the last command of a partition.
func (c *simClients) end(partition int32) int64 {
	p := c.sim.brokers.partition(c.group.Input, partition)
	for i := len(p.log) - 1; i >= 0; i-- {
		if r := p.log[i]; r.state == decidedCommitted && !r.Attrs.IsControl() {
			return r.Offset + 1
		}
	}
	return 0
}

func (s *simStats) add(o simStats) {
	s.steps += o.steps
	s.crashes += o.crashes
	s.steals += o.steals
	s.lostResponses += o.lostResponses
	s.lostRequests += o.lostRequests
	s.endsAsked += o.endsAsked
	s.timeouts += o.timeouts
	s.damaged += o.damaged
	s.recreated += o.recreated
	s.commits += o.commits
}
