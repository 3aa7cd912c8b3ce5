package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

// simInstance is a place where one process after the other runs.
type simInstance struct {
	name      string
	disk      *simDisk
	process   *simProcess // nil while none runs
	restartAt int
	silent    int // rounds that its session goes on without it
}

// simProcess is one of them. It does what Runner, Goka and sarama do in the product, and has the
// engine do the rest.
type simProcess struct {
	sim         *sim
	instance    *simInstance
	tasks       []*simTask
	pausedUntil int
	stopping    bool
	restoring   bool
	engine      *engine
	generations []*generation
	member      string
}

func (i *simInstance) start(s *sim) {
	p := &simProcess{sim: s, instance: i}
	i.process = p
	s.log("%s starts", i.name)
	s.spawn(p, i.name, p.run)
}

// crash ends a process at once.
func (i *simInstance) crash(s *sim) {
	p := i.process
	s.log("%s crashes", i.name)
	s.kill(p)
	p.release()
	i.disk.crash()
	i.process = nil
	i.restartAt = s.step + s.rng.IntN(150)
}

// release ends what the engine has running beside its tasks.
func (p *simProcess) release() {
	if p.engine != nil {
		p.engine.cancel(nil)
	}
	for _, g := range p.generations {
		for _, l := range g.ordered {
			if l.store != nil && l.store.stop != nil {
				select {
				case <-l.store.stop:
				default:
					close(l.store.stop)
				}
			}
		}
		g.committer.Wait()
	}
	p.generations = nil
}

func (p *simProcess) run() {
	s := p.sim
	for !p.stopping {
		p.attempt()
	}
	p.release()
	for left := false; !left; {
		left = s.call(context.Background(), "leave the group", func() error {
			if m := s.brokers.group.member(p.instance.name); m != nil {
				s.brokers.group.remove(m)
			}
			return nil
		}) == nil
	}
	s.log("%s ended", p.instance.name)
	p.instance.process = nil
}

// attempt is what engine.run does.
func (p *simProcess) attempt() {
	s := p.sim
	e := &engine{
		group: s.clients.group, config: p.config(), log: discard, point: p.point, dir: p.instance.name, keys: s.clients.keys,
		kafka: simKafka{p}, disk: newKeeping(p.instance.disk),
	}
	e.ctx, e.cancel = context.WithCancelCause(context.Background())
	p.engine = e
	var err error
	e.txns, err = newPair(e.ctx, e.config, &e.group, s.protocol(), e.point, func(_ Config, id string, agreed protocol) (producer, error) {
		return &simProducer{p: p, id: id, protocol: agreed}, nil
	})
	if err != nil {
		return
	}
	for !p.stopping && e.failed() == nil {
		p.takePart()
	}
	p.release()
	if err := e.disk.end(); err != nil {
		s.fail("close the stores: %v", err)
	}
	e.txns.close()
	if failure := e.failed(); failure != nil {
		s.log("the attempt failed: %v", failure)
		switch Cause(failure) {
		case CausePanic, CausePartitioning, CauseOther, CauseConfiguration:
			s.fail("an attempt failed for what must not happen here: %v", failure)
		case CauseFenced:
		default:
			e.abortLeftovers()
		}
	}
}

func (p *simProcess) config() Config {
	const never = 1000 * time.Hour // what passes here are steps, not time
	return Config{Instance: p.instance.name, Logger: discard, TransactionTimeout: time.Minute, Patience: never, FlushInterval: never,
		CacheBytes: 1 << 20, RestoreBytes: p.sim.clients.restore, BatchBytes: 1 << 20}
}

// point is where processes crash or wait.
func (p *simProcess) point(name string) {
	if name == pointInitialised {
		for _, t := range p.sim.brokers.txnOrder {
			if instanceOf("", p.engine.group.Name, t.id) == p.instance.name && (t.state == txnOngoing || t.preparing()) {
				p.sim.fail("instance %s is about to read, but its transaction %s is open still (invariant 5)", p.instance.name, t.id)
			}
		}
	}
	p.sim.yield(name)
}

// simSession is what sarama tells of a membership.
type simSession struct {
	sarama.ConsumerGroupSession
	ctx        context.Context
	input      string
	assigned   []int32
	member     string
	generation int32
}

func (s *simSession) Claims() map[string][]int32 { return map[string][]int32{s.input: s.assigned} }
func (s *simSession) MemberID() string           { return s.member }
func (s *simSession) GenerationID() int32        { return s.generation }
func (s *simSession) Context() context.Context   { return s.ctx }

// takePart goes through one generation.
func (p *simProcess) takePart() {
	s, e := p.sim, p.engine
	session := p.join()
	if session == nil {
		return
	}
	ctx, cancel := context.WithCancel(e.ctx)
	session.ctx = ctx
	over := false
	s.spawn(p, p.instance.name+" heartbeat", func() { p.beat(session, &over, cancel) })
	starts, ok := p.offsets(ctx, session)
	if ok {
		g, err := newGeneration(e, session)
		p.generations = append(p.generations, g)
		e.current.Store(g)
		p.live(g, err, starts)
		e.current.Store(nil)
	}
	over = true
	cancel()
}

// live is setup, consuming and cleanup.
func (p *simProcess) live(g *generation, err error, starts []int64) {
	s, e := p.sim, p.engine
	e.point(pointSetup)
	p.restoring = true
	for _, l := range g.ordered {
		// less than newLane allows, so that entries are evicted
		l.rows.limit, l.index.limit = s.clients.cache, s.clients.cache
		if err == nil && len(e.stateTopics()) > 0 {
			err = l.open(g.ctx)
		}
	}
	p.restoring = false
	running := 0
	var stop atomic.Bool
	part := func(name string, f func()) {
		running++
		s.spawn(p, p.instance.name+" "+name, func() { f(); running-- })
	}
	switch {
	case g.ctx.Err() != nil: // the group moved on during setup
	case err != nil:
		e.fail(fail(CauseRestore, err))
	default:
		e.point(pointRestored)
		g.closeOthers()
		part("committer", func() { p.commit(g, &stop) })
		part("flusher", func() { p.flush(g, &stop) })
		handling := len(g.ordered)
		for i, l := range g.ordered {
			part("lane "+strconv.Itoa(int(l.partition)), func() { p.consume(l, starts[i]); handling-- })
		}
		s.await("run", func() bool { return g.ctx.Err() != nil || p.stopping })
		g.cancel(nil)
		s.await("stop handling", func() bool { return handling == 0 })
		stop.Store(true)
		s.await("stop committing", func() bool { return running == 0 })
	}
	g.cancel(nil)
	g.commitLast()
	for _, l := range g.ordered {
		if err := l.close(); err != nil {
			s.fail("close a store: %v", err)
		}
	}
}

// commit is the committer's loop.
func (p *simProcess) commit(g *generation, stop *atomic.Bool) {
	for {
		p.sim.await("commit", func() bool {
			for _, l := range g.ordered {
				if l.batch.inputs > 0 {
					return true
				}
			}
			return stop.Load()
		})
		if stop.Load() {
			return
		}
		if err := g.commit(); err != nil {
			p.sim.log("the commit failed: %v", err)
			g.lost(err)
			return
		}
	}
}

// flush is the loop of all stores' flushers.
func (p *simProcess) flush(g *generation, stop *atomic.Bool) {
	s := p.sim
	for {
		after := s.step + s.rng.IntN(60)
		s.await("flush", func() bool {
			if stop.Load() {
				return true
			}
			for _, l := range g.ordered {
				if l.store != nil && l.store.queued.Load() > 0 && s.step > after {
					return true
				}
			}
			return false
		})
		if stop.Load() {
			return
		}
		for _, l := range g.ordered {
			if err := l.store.flush(false); err != nil {
				p.engine.fail(err)
				return
			}
		}
	}
}

// consume is the fetcher and Goka's partition.
func (p *simProcess) consume(l *lane, at int64) {
	s, g := p.sim, l.gen
	partition := s.brokers.partition(p.engine.group.Input, l.partition)
	for {
		s.await("input", func() bool { return g.ctx.Err() != nil || partition.readable(at) })
		if g.ctx.Err() != nil {
			return
		}
		records, next, err := partition.read(at, 1+s.rng.IntN(6))
		if err != nil {
			p.engine.fail(failf(CauseOther, "read the input at %d: %w", at, err))
			return
		}
		for _, c := range carriers(records) {
			g.engine.point(pointFetched)
			l.carry(c)
		}
		at = next
	}
}

// join joins the group and waits for an assignment. It returns nil if it is to be tried again.
func (p *simProcess) join() *simSession {
	s, group := p.sim, &p.sim.brokers.group
	var m *simMember
	var id string
	err := s.call(p.engine.ctx, "join the group", func() error {
		m = group.join(p.instance.name, p.member, p.stores())
		id = m.id
		return nil
	})
	if err != nil {
		return nil
	}
	p.member = id
	current := func() bool { return group.member(p.instance.name) == m && m.id == id && m.joined }
	s.await("the assignment", func() bool { return p.stopping || !current() || group.state == groupStable })
	if !current() || p.stopping {
		return nil
	}
	return &simSession{input: p.engine.group.Input, assigned: m.assigned, member: id, generation: group.generation}
}

// stores is what storesOnDisk finds.
func (p *simProcess) stores() []int32 {
	var all []int32
	for _, path := range p.instance.disk.paths {
		all = append(all, simStorePartition(path))
	}
	return all
}

func simStorePartition(path string) int32 {
	base := filepath.Base(path)
	n, err := strconv.Atoi(base[strings.LastIndexByte(base, '.')+1:])
	if err != nil {
		panic(fmt.Sprintf("path of a store: %s", path))
	}
	return int32(n)
}

// beat keeps the membership, and ends the session when the group went on.
func (p *simProcess) beat(session *simSession, over *bool, cancel context.CancelFunc) {
	s := p.sim
	for {
		next := s.step + 10 + s.rng.IntN(50)
		s.await("heartbeat", func() bool { return *over || s.step >= next })
		if *over {
			return
		}
		err := s.call(session.ctx, "heartbeat", func() error { return s.brokers.group.heartbeat(p.instance.name, session.member, session.generation) })
		if err != nil && !errors.Is(err, errSimNetwork) {
			cancel()
			return
		}
	}
}

// offsets reads where the assigned partitions go on. sarama does so before setup, while the engine
// clears the way.
func (p *simProcess) offsets(ctx context.Context, session *simSession) ([]int64, bool) {
	s, group := p.sim, &p.sim.brokers.group
	starts := make([]int64, len(session.assigned))
	for len(session.assigned) > 0 {
		p.engine.clearTheWay(ctx, session.assigned)
		stable := true
		err := s.call(ctx, "fetch offsets", func() error {
			for i, partition := range session.assigned {
				stable = stable && !group.unstable(partition)
				starts[i] = group.committed[partition]
			}
			return nil
		})
		if err == nil && stable {
			break
		}
		if ctx.Err() != nil || p.stopping {
			return nil, false
		}
	}
	return starts, true
}
