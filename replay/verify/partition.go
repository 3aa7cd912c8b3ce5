package verify

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// partitionCheck verifies one partition of an aggregate type: its commands, outcomes, events and
// tables. Events and outcomes name the command that they follow from by its offset, and stand in
// the order of commands. So the three logs are read side by side, command by command. It remembers
// only the fold of each aggregate, and for each outcome the parts that are compared with others of
// the same command id.
type partitionCheck struct {
	run       *verification
	kit       *kit.Reader
	found     *collector
	spec      *topology.AggregateSpec
	partition int32

	folds   *kit.AggregateFolds
	tables  []*table // those of the folds
	routes  []*route // to projections that are re-keyed
	answers *answers

	commands, outcomes, events *kit.Stream

	last      int64 // the command that was looked at last
	expired   int64 // outcomes of commands before this one are gone
	lastEvent int64 // offset of the last event
	reached   int64 // the last command that led to an event

	read        Report
	withoutAny  int64 // events whose command is gone
	withoutGone int64 // events whose outcome is gone
	ofFormer    int64 // private commands of policies that the topology does not declare
	notCompared int64 // rows of aggregates whose events are damaged
}

// moment is everything that one command led to.
type moment struct {
	at      int64
	exists  bool
	command *codecs.Command // nil if it cannot be read or there is none
	record  record.Record   // the command's
	answers []answer
	events  []kit.LoggedEvent
}

type answer struct {
	record  record.Record
	outcome foldlog.Outcome
	fault   error
}

func (v *verification) checkPartition(ctx context.Context, log *kit.Log, spec *topology.AggregateSpec, partition int32) error {
	b := v.kit.Budget()
	defer b.Close()
	answers := newAnswers(b)
	defer answers.close()
	c := &partitionCheck{run: v, kit: v.kit, found: v.found, spec: spec, partition: partition, folds: kit.NewAggregateFolds(&v.kit.Config, spec, b), answers: answers,
		last: -1, lastEvent: -1, reached: -1}
	names, events := v.kit.Names, v.kit.Names.Events(spec.Name)
	c.tables = []*table{v.stateTable(spec, partition)}
	c.tables[0].low, c.tables[0].high = v.snapshot.settled[events][partition], v.snapshot.end[events][partition]
	for _, p := range c.folds.Projections {
		c.tables = append(c.tables, v.projectionTable(p.Spec(), partition))
	}
	for _, t := range c.tables {
		if err := t.read(ctx, log, b); err != nil {
			return err
		}
	}
	for _, p := range kit.Followers(v.kit.Config.Topology, spec.Name, true) {
		c.routes = append(c.routes, v.newRoute(p, partition))
	}
	open := func(topic string) *kit.Stream { return log.Stream(ctx, v.snapshot.span(topic, partition)) }
	c.commands, c.outcomes, c.events = open(names.Commands(spec.Name)), open(names.Outcomes(spec.Name)), open(events)
	defer c.commands.Close()
	defer c.outcomes.Close()
	defer c.events.Close()
	if c.events.From > 0 {
		c.found.add(kit.Finding{Check: kit.CheckStart, Topic: events, Partition: partition, Offset: c.events.From, Part: spec.Name,
			Want: "events from offset 0 on", Have: "a log that begins here: events are kept for ever"})
	}
	if err := c.merge(ctx); err != nil {
		return err
	}
	if err := c.checkRepeats(ctx, log); err != nil {
		return err
	}
	if err := c.compareTables(ctx); err != nil {
		return err
	}
	c.tell()
	return nil
}

// merge goes through the three logs in the order of commands.
func (c *partitionCheck) merge(ctx context.Context) error {
	// Nothing is known of commands that are older than the first remaining outcome.
	if c.outcomes.From > 0 {
		c.expired = math.MaxInt64
		if c.outcomes.Peek() != nil {
			if at, err := c.outcomes.Cause(); err == nil {
				c.expired = at.Offset
			}
		}
	}
	var m moment // its lists are used again for each
	for {
		outcome, strayOutcome := c.cause(ctx, c.outcomes, c.strayOutcome)
		event, strayEvent := c.cause(ctx, c.events, c.strayEvent)
		if err := errors.Join(c.commands.Err, c.outcomes.Err, c.events.Err, strayOutcome, strayEvent); err != nil {
			return err
		}
		m = moment{at: min(outcome, event), answers: m.answers[:0], events: m.events[:0]}
		if r := c.commands.Peek(); r != nil {
			m.at = min(m.at, r.Offset)
		}
		if m.at == math.MaxInt64 {
			return nil
		}
		if err := c.gather(ctx, &m); err != nil {
			return err
		}
		if err := c.check(ctx, &m); err != nil {
			return err
		}
		c.last = m.at
	}
}

// cause returns the command that the next record of a log follows from, after passing records out
// of line. At the end it is the largest number.
func (c *partitionCheck) cause(ctx context.Context, s *kit.Stream, stray func(context.Context, *record.Record, kit.Finding) error) (int64, error) {
	for r := s.Peek(); r != nil; r = s.Peek() {
		at, err := s.Cause()
		f := kit.At(r, c.spec.Name)
		switch here := at.Aggregate == c.spec.Name && at.Partition == c.partition; {
		case err != nil:
			f = f.Says(kit.CheckCause, "the place of a command", err.Error())
		case here && at.Offset > c.last:
			return at.Offset, nil
		case here:
			f = f.Says(kit.CheckOrder, fmt.Sprintf("something that follows from a command after offset %d", c.last), at.String())
		default:
			f = f.Says(kit.CheckCause, fmt.Sprintf("a command in partition %d of %s", c.partition, c.commands.Topic), at.String())
			if want := c.partitionOf(r.Key); want != c.partition {
				f = f.Says(kit.CheckPartition, fmt.Sprintf("partition %d", want), fmt.Sprintf("a record in partition %d", c.partition))
			}
		}
		taken := *r
		s.Pop()
		if err := stray(ctx, &taken, f); err != nil {
			return 0, err
		}
	}
	return math.MaxInt64, nil
}

func (c *partitionCheck) partitionOf(key []byte) int32 {
	return topology.PartitionOf(key, c.kit.Config.Settings.Partitions)
}

// strayOutcome reports an outcome that is out of line.
func (c *partitionCheck) strayOutcome(_ context.Context, _ *record.Record, f kit.Finding) error {
	c.read.Outcomes++
	c.found.add(f)
	return nil
}

// strayEvent reports an event that is out of line. It counts as an event nevertheless, unless it
// belongs to another partition.
func (c *partitionCheck) strayEvent(ctx context.Context, r *record.Record, f kit.Finding) error {
	c.found.add(f)
	c.read.Events++
	if f.Check == kit.CheckPartition {
		return nil
	}
	e, err := c.decodeEvent(ctx, r)
	if err != nil {
		return err
	}
	_, err = c.event(ctx, &e, -1, nil, e.Event.Version)
	return err
}

// gather takes everything that one command led to from the logs.
func (c *partitionCheck) gather(ctx context.Context, m *moment) error {
	if r := c.commands.Peek(); r != nil && r.Offset == m.at {
		m.exists, m.record = true, *r
		c.read.Commands++
		command, err := c.folds.Codec.DecodeCommandUnhashed(ctx, *r)
		switch {
		case err == nil:
			m.command = &command
		case !kit.Undecodable(err):
			return err
		}
		c.commands.Pop()
	}
	for ; c.follows(c.outcomes, m.at); c.outcomes.Pop() {
		a := answer{record: *c.outcomes.Peek()}
		c.read.Outcomes++
		if a.outcome, a.fault = c.folds.Codec.DecodeOutcome(ctx, a.record.Value); a.fault != nil && !kit.Undecodable(a.fault) {
			return a.fault
		}
		m.answers = append(m.answers, a)
	}
	for ; c.follows(c.events, m.at); c.events.Pop() {
		e, err := c.decodeEvent(ctx, c.events.Peek())
		if err != nil {
			return err
		}
		c.read.Events++
		m.events = append(m.events, e)
	}
	return nil
}

// follows reports whether there is a next record of a log and it follows from a command.
func (c *partitionCheck) follows(s *kit.Stream, at int64) bool {
	if s.Peek() == nil {
		return false
	}
	p, err := s.Cause()
	return err == nil && p == (foldlog.Position{Aggregate: c.spec.Name, Partition: c.partition, Offset: at})
}

// decodeEvent returns an event with the defect of its bytes, if any; the error is of the
// infrastructure.
func (c *partitionCheck) decodeEvent(ctx context.Context, r *record.Record) (e kit.LoggedEvent, err error) {
	if e.Record = *r; r.Value == nil {
		e.Fault = errors.New("no value")
		return e, nil
	}
	if e.Event, err = c.folds.Codec.DecodeEvent(ctx, r.Value); kit.Undecodable(err) {
		e.Fault, err = err, nil
	}
	return e, err
}

// compareTables compares the tables with the folds of the events.
func (c *partitionCheck) compareTables(ctx context.Context) error {
	sample := c.run.sample(c.spec.Name, c.folds.Count)
	err := c.folds.All.Each(func(id string, a *kit.AggregateFold) error {
		c.read.Aggregates++
		asks := sample.takes()
		for i, t := range c.tables {
			if a.Damaged {
				c.notCompared++
				continue
			}
			c.read.Rows++
			row := a.Row(i)
			if a.Matched&(1<<i) == 0 {
				rows := []any{row}
				if i == 0 && a.OtherChain != nil {
					state := a.StateRow()
					state.Chain = *a.OtherChain
					rows = append(rows, state)
				}
				if err := t.compare(ctx, id, rows...); err != nil {
					return err
				}
			}
			if asks && row != nil && c.lastEvent < t.high {
				after := foldlog.Position{Aggregate: c.spec.Name, Partition: c.partition, Offset: a.Cause}
				if err := sample.ask(ctx, c.question(i, id, row, after)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, t := range c.tables {
		err := t.strangers(ctx, func(id string) (bool, error) {
			a, known, err := c.folds.All.Get(id)
			return known && (a.Damaged || a.Matched&(1<<i) != 0 || a.Row(i) != nil), err
		})
		if err != nil {
			return err
		}
	}
	for _, r := range c.routes {
		r.close()
	}
	sample.tell()
	return nil
}

// question returns the question to a running system about row i of an aggregate.
func (c *partitionCheck) question(i int, id string, row any, after foldlog.Position) question {
	q := question{part: c.spec.Name, key: id, row: row, after: after, reached: func(int32) int64 { return c.reached }}
	if i > 0 {
		q.version = c.folds.Projections[i-1].Spec()
		q.part = q.version.Name
	}
	return q
}

// tell adds to the report the numbers of records read, and the parts that could not be checked.
func (c *partitionCheck) tell() {
	c.found.count(c.read)
	place := fmt.Sprintf("%s/%d", c.events.Topic, c.partition)
	if c.withoutAny > 0 {
		c.found.unchecked("%s: the commands of %d events are beyond the retention of %s", place, c.withoutAny, c.commands.Topic)
	}
	if c.ofFormer > 0 {
		c.found.unchecked("%s: %d commands say that they are of policies that the topology does not declare", place, c.ofFormer)
	}
	if c.withoutGone > 0 {
		c.found.unchecked("%s: the outcomes of the commands of %d events are beyond the retention of %s", place, c.withoutGone, c.outcomes.Topic)
	}
	if c.notCompared > 0 {
		c.found.unchecked("%s: %d rows of aggregates whose events are damaged were not compared", place, c.notCompared)
	}
	for i, t := range c.tables[1:] {
		if t.high <= c.lastEvent {
			c.found.unchecked("%s: projection %s has handled the events up to offset %d only", place, c.folds.Projections[i].Spec().ID(), t.high)
		}
	}
}
