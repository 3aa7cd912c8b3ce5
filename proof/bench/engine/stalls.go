package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// Brokers of the part stalls, and how many processes share the work there.
const (
	stallBrokers   = 3
	stallInstances = 2
)

// stall is what a fault did to commands that went on at a steady rate.
type stall struct {
	Peer  string `json:"peer"`
	Fault string `json:"fault"`
	End   bool   `json:"end,omitempty"` // of the fault: what was away came back
	// Longest is the longest time from when a command was due to when a read_committed reader saw
	// its outcome, of those due from the fault until everything was quiet again, in seconds.
	Longest float64 `json:"longest_s"`
}

// Names of the faults, in the order in which they are made.
const (
	faultNone   = "none"
	faultTerm   = "term"
	faultKill   = "kill"
	faultLeader = "leader"
	faultRoll   = "roll"
)

func faultNames() []string {
	return []string{faultNone, faultTerm, faultKill, faultLeader, faultRoll}
}

// faultTexts say what a fault is, and what ends it, where something does.
var faultTexts = map[string][]string{
	faultNone: {"none"}, faultTerm: {"SIGTERM of a process", "its return"}, faultKill: {"kill -9 of a process", "its return"},
	faultLeader: {"kill -9 of a leader", "its return"}, faultRoll: {"rolling restart of the brokers"},
}

// stalls measures how long commands wait when processes and brokers go away and come back. It has a
// cluster of its own.
func (m *measurement) stalls(ctx context.Context) (err error) {
	b, err := openSite(ctx, m.settings, stallBrokers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	for _, p := range m.settings.takingPart(ours) {
		if !p.shared {
			continue
		}
		all, err := m.stallsOf(ctx, b, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		m.results.Stalls = append(m.results.Stalls, all...)
	}
	return nil
}

// stalling is the measurement of one peer.
type stalling struct {
	*measurement
	site      *site
	peer      peer
	task      task
	processes []*child
	flow      *flow
	windows   []window
}

// window is the commands that were due while a fault lasted.
type window struct {
	fault    string
	end      bool
	from, to int
}

func (m *measurement) stallsOf(ctx context.Context, b *site, p peer) (_ []stall, err error) {
	t, err := b.newTask(ctx, p, "", m.settings.Events)
	if err != nil {
		return nil, err
	}
	t.ForLatency = true
	s := &stalling{measurement: m, site: b, peer: p, task: t}
	defer func() {
		for _, c := range s.processes {
			_ = c.Close()
		}
	}()
	for i := range stallInstances {
		mine := t
		mine.Instance = "bench-" + strconv.Itoa(i)
		mine.Dir = filepath.Join(t.Dir, mine.Instance)
		c, err := startChild(p, mine)
		if err != nil {
			return nil, err
		}
		s.processes = append(s.processes, c)
	}
	for _, c := range s.processes {
		if _, err := c.await(ctx, eventRunning); err != nil {
			return nil, err
		}
	}
	w := workload{Keys: m.settings.FewKeys, EventsPerCommand: m.settings.Events}
	if s.flow, err = b.startFlow(ctx, w, t, m.settings.StallRate); err != nil {
		return nil, err
	}
	defer s.flow.stop()
	m.progress("%d/s on %d brokers: %-12s for %s, to warm the brokers", m.settings.StallRate, stallBrokers, p.name, m.settings.WarmBroker)
	if err := pause(ctx, m.settings.WarmBroker); err != nil {
		return nil, err
	}
	for run := range m.settings.Runs {
		if err := s.round(ctx, run); err != nil {
			return nil, err
		}
	}
	return s.finish(ctx)
}

// round makes every fault once.
func (s *stalling) round(ctx context.Context, run int) error {
	first, second := s.processes[run%stallInstances], s.processes[(run+1)%stallInstances]
	kafka, leader := s.site.kafka, 0
	type act func(ctx context.Context) error
	for _, name := range s.settings.Faults {
		var acts []act // the fault and its end
		wait := s.settings.Calm
		switch name {
		case faultNone:
			acts = []act{func(context.Context) error { return nil }}
		case faultTerm:
			acts = []act{first.stop, first.restart}
		case faultKill:
			wait += stallSession
			acts = []act{func(context.Context) error { return second.Kill() }, second.restart}
		case faultLeader:
			wait *= 2
			acts = []act{func(ctx context.Context) (err error) {
				if leader, err = s.leader(ctx, run); err != nil {
					return err
				}
				return kafka.Kill(leader)
			}, func(ctx context.Context) error { return errors.Join(kafka.Boot(leader), kafka.AwaitInSync(ctx)) }}
		case faultRoll:
			acts = []act{func(ctx context.Context) error {
				return kafka.Roll(ctx, func(ctx context.Context, _ int) error { return pause(ctx, s.settings.RollPause) })
			}}
		}
		for i, do := range acts {
			v := window{fault: name, end: i > 0, from: s.flow.sent()}
			if err := do(ctx); err != nil {
				return fmt.Errorf("%s: %w", faultTexts[name][i], err)
			}
			if err := pause(ctx, wait); err != nil {
				return err
			}
			v.to = s.flow.sent()
			s.windows = append(s.windows, v)
			if err := s.died(); err != nil {
				return fmt.Errorf("%s: %w", faultTexts[name][i], err)
			}
			wait = s.settings.Calm
		}
		// a broker that was just started is slow, and the next fault is not its fault
		if name == faultLeader || name == faultRoll {
			if err := pause(ctx, s.settings.WarmBroker); err != nil {
				return err
			}
		}
	}
	s.progress("run %d of %d: every fault was made", run+1, s.settings.Runs)
	return nil
}

// leader returns a broker that leads a partition of the events and is not the active controller:
// that it is away, the next controller would notice only after it was elected, which is another
// fault.
func (s *stalling) leader(ctx context.Context, run int) (int, error) {
	controller, err := s.site.kafka.Controller(ctx)
	if err != nil {
		return 0, err
	}
	for i := range s.site.partitions {
		leader, err := s.site.kafka.Leader(ctx, s.task.Events, int32((run+i)%s.site.partitions))
		if err != nil || leader != controller {
			return leader, err
		}
	}
	return 0, errors.New("the active controller leads every partition of the events")
}

// stallSession is how long our engine and Kafka Streams wait for a member that is silent.
const stallSession = 10 * time.Second

// died returns an error if a process ended that was not made to: the engine of an attempt that
// fails ends its process here.
func (s *stalling) died() error {
	var all error
	for _, c := range s.processes {
		if err := c.Died(); err != nil {
			all = errors.Join(all, fmt.Errorf("%w\n%s", err, c.LogTail()))
		}
	}
	return all
}

// finish waits for all outcomes and compares the tables with what the commands lead to.
func (s *stalling) finish(ctx context.Context) ([]stall, error) {
	n, err := s.flow.end(ctx, s.processes[0])
	if err != nil {
		return nil, err
	}
	for _, c := range s.processes {
		if err := c.stop(ctx); err != nil {
			return nil, err
		}
	}
	w := s.flow.work
	w.Commands = n
	if err := s.site.verify(ctx, s.peer, s.task, w); err != nil {
		return nil, err
	}
	return s.longest(s.windows, s.flow.due, s.flow.outcomes.seen), s.site.drop(ctx, s.task)
}

// onTheWay is how long before a fault a command may have been due that met it: most are answered
// within a tenth of that.
const onTheWay = time.Second

// longest returns the longest time from due to seen in each window. A command that was on the way
// when the next fault came counts there.
func (s *stalling) longest(windows []window, due func(i int) time.Time, seen []time.Time) []stall {
	all := make([]stall, len(windows))
	for n, v := range windows {
		all[n].Peer, all[n].Fault, all[n].End = s.peer.name, v.fault, v.end
		for i := v.from; i < v.to; i++ {
			meets := n
			if end := due(v.to); n+1 < len(windows) && end.Sub(due(i)) < onTheWay && seen[i].After(end) {
				meets++
			}
			all[meets].Longest = max(all[meets].Longest, seen[i].Sub(due(i)).Seconds())
		}
	}
	return all
}

// flow is commands at a steady rate, and the reader of their outcomes.
type flow struct {
	work     workload
	outcomes *reader
	begin    time.Time
	every    time.Duration
	stop     context.CancelFunc
	ended    chan struct{}
	count    int // valid once ended
	fault    error
}

// longestFlow bounds a flow: the reader has room for so much.
const longestFlow = time.Hour

// startFlow sends commands until it is stopped. The clock decides when, not the answers.
func (b *site) startFlow(ctx context.Context, w workload, t task, rate int) (*flow, error) {
	outcomes, err := b.follower(ctx, t.Outcomes, rate*int(longestFlow/time.Second))
	if err != nil {
		return nil, err
	}
	f := &flow{work: w, outcomes: outcomes, begin: time.Now(), every: time.Second / time.Duration(rate), ended: make(chan struct{})}
	ctx, f.stop = context.WithTimeout(ctx, longestFlow)
	go func() {
		defer close(f.ended)
		f.count, f.fault = b.sendWhenDue(ctx, w, t.Input, 0, math.MaxInt, f.due)
	}()
	return f, nil
}

// due is when command i is.
func (f *flow) due(i int) time.Time { return f.begin.Add(time.Duration(i) * f.every) }

// sent is how many commands were due by now.
func (f *flow) sent() int { return int(time.Since(f.begin)/f.every) + 1 }

// end stops sending, waits for the outcomes of what was sent, and returns how much that was.
func (f *flow) end(ctx context.Context, c *child) (int, error) {
	f.stop()
	<-f.ended
	if f.fault != nil {
		return 0, f.fault
	}
	if err := f.outcomes.await(ctx, c, f.count); err != nil {
		return 0, err
	}
	return f.count, f.outcomes.close()
}

// pause waits for a while, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (r *results) printStalls(w io.Writer) {
	names, groups := byPeer(r.Stalls, func(s stall) string { return s.Peer })
	if len(names) == 0 {
		return
	}
	t := table(w, fmt.Sprintf("Stalls: %d brokers, %d processes, %d commands/s; the longest time from due to seen by a read_committed reader, s", stallBrokers, stallInstances,
		r.Settings.StallRate), append([]string{"fault"}, names...)...)
	for _, fault := range r.Settings.Faults {
		for i, text := range faultTexts[fault] {
			fmt.Fprint(t, text)
			for _, name := range names {
				runs := slices.DeleteFunc(slices.Clone(groups[name]), func(s stall) bool { return s.Fault != fault || s.End != (i > 0) })
				fmt.Fprint(t, "\t"+spreadOf(runs, func(s stall) float64 { return s.Longest }).text("%.2f"))
			}
			fmt.Fprintln(t)
		}
	}
	_ = t.Flush()
}
