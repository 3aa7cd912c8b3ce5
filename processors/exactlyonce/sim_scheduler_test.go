package exactlyonce

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strings"
)

// The simulation runs the engine's own code against brokers and disks in memory. Everything that
// happens at the same time in the product is a task here; one task runs at a time, and at each
// request, each write and each named point it hands over to a task that the seed chooses. Time is
// that of a synctest bubble: it passes only where the engine sleeps.

// sim is one run of one seed.
type sim struct {
	seed    uint64
	rng     *rand.Rand
	step    int
	healAt  int  // faults happen before this step
	healed  bool // the director said so
	tracing bool
	trace   []string
	failure string
	stats   simStats
	faults  simFaults
	waiting int // rounds that a rebalance has waited for members

	tasks    []*simTask
	current  *simTask
	runnable []*simTask // scratch
	heir     *simTask   // who goes on after a task that ends
	over     bool
	finished chan struct{}

	brokers   *simBrokers
	instances []*simInstance
	clients   *simClients
	idle      int
}

// simStats says what a run contained.
type simStats struct {
	steps, crashes, steals, lostResponses, lostRequests, endsAsked, timeouts, damaged, recreated, commits int
}

// simTask is a goroutine that runs only when it is its turn.
type simTask struct {
	name    string
	process *simProcess // nil for the director
	wake    chan struct{}
	exited  chan struct{}
	ready   func() bool // nil: always
	killed  bool
}

const (
	// simLongest is the step at which a run that was healed must have drained.
	simLongest = 60_000
	// simIdle is how often in a row nobody may have anything to do.
	simIdle = 2_000
)

// chance reports true with so many of a thousand.
func (s *sim) chance(permille int) bool { return s.rng.IntN(1000) < permille }

// fault is chance, as long as faults happen.
func (s *sim) fault(permille int) bool { return !s.healed && s.rng.IntN(1000) < permille }

func (s *sim) log(format string, args ...any) {
	if !s.tracing {
		return
	}
	name := "-"
	if s.current != nil {
		name = s.current.name
	}
	s.trace = append(s.trace, fmt.Sprintf("%5d %-14s %s", s.step, name, fmt.Sprintf(format, args...)))
}

// fail ends the run. The first failure stands.
func (s *sim) fail(format string, args ...any) {
	if s.failure == "" {
		s.failure = fmt.Sprintf(format, args...)
		s.log("FAILURE: %s", s.failure)
	}
}

// spawn makes a task of f.
func (s *sim) spawn(p *simProcess, name string, f func()) *simTask {
	t := &simTask{name: name, process: p, wake: make(chan struct{}, 1), exited: make(chan struct{})}
	s.tasks = append(s.tasks, t)
	if p != nil {
		p.tasks = append(p.tasks, t)
	}
	go func() {
		<-t.wake
		defer s.ended(t)
		if !t.killed {
			s.current = t
			f()
		}
	}()
	return t
}

// ended hands over to the next task after t is through.
func (s *sim) ended(t *simTask) {
	if p := recover(); p != nil {
		s.fail("panic in %s: %v\n%s", t.name, p, debug.Stack())
	}
	if t.killed && s.heir == nil { // somebody else waits for this end, and goes on
		close(t.exited)
		return
	}
	next := s.heir
	s.heir = nil
	s.forget(t)
	if next == nil {
		next = s.pick()
	}
	if next == nil {
		close(s.finished)
		return
	}
	next.wake <- struct{}{}
}

func (s *sim) forget(t *simTask) {
	for i, other := range s.tasks {
		if other == t {
			s.tasks = append(s.tasks[:i], s.tasks[i+1:]...)
			return
		}
	}
}

// yield lets others go on. It does not return if the process crashed meanwhile.
func (s *sim) yield(what string) { s.await(what, nil) }

// await lets others go on until ready.
func (s *sim) await(what string, ready func() bool) {
	t := s.current
	if t.killed {
		runtime.Goexit()
	}
	s.log("at %s", what)
	t.ready = ready
	next := s.pick()
	if t.killed {
		s.heir = next
		if next == nil {
			close(s.finished)
		}
		runtime.Goexit()
	}
	if next == nil {
		close(s.finished)
	} else if next != t {
		next.wake <- struct{}{}
	}
	if next != t {
		<-t.wake
		if t.killed {
			runtime.Goexit()
		}
	}
	t.ready = nil
	s.current = t
}

// kill ends the tasks of a process where they stand. The running task may be one of them: then it
// ends when it yields, which is where this is called from.
func (s *sim) kill(p *simProcess) {
	for _, t := range p.tasks {
		if t.killed {
			continue
		}
		select {
		case <-t.exited:
			continue
		default:
		}
		running := false
		for _, other := range s.tasks {
			running = running || other == t
		}
		if !running {
			continue
		}
		t.killed = true
		s.forget(t)
		if t != s.current {
			t.wake <- struct{}{}
			<-t.exited
		}
	}
	p.tasks = nil
}

// pick advances the world and returns who goes on, or nil at the end.
func (s *sim) pick() *simTask {
	for {
		if s.over {
			return nil
		}
		s.step++
		if s.step > s.healAt+simLongest || s.idle > simIdle {
			s.fail("it does not drain: %s", strings.Join(s.states(), "; "))
		}
		if s.failure != "" {
			s.over = true
			return nil
		}
		s.chaos()
		s.runnable = s.runnable[:0]
		for _, t := range s.tasks {
			if (t.process == nil || t.process.pausedUntil <= s.step) && (t.ready == nil || t.ready()) {
				s.runnable = append(s.runnable, t)
			}
		}
		if len(s.runnable) > 0 {
			s.idle = 0
			return s.runnable[s.rng.IntN(len(s.runnable))]
		}
		s.idle++
	}
}

func (s *sim) states() []string {
	var all []string
	for _, i := range s.instances {
		if i.process == nil {
			all = append(all, i.name+" is down")
			continue
		}
		state := i.name + ": "
		if i.process.engine != nil {
			state += i.process.engine.status()
		}
		for _, t := range i.process.tasks {
			state += " " + t.name
		}
		all = append(all, state)
	}
	return append(all, s.brokers.states()...)
}
