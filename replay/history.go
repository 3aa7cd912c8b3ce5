package replay

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/topology"
)

// history verifies one partition of an aggregate type: its commands, outcomes, events and tables.
// Events and outcomes name the command that they follow from by its offset, and stand in the order
// of commands, so the three logs are read side by side, command by command, and nothing of them
// need be remembered but what the events of each aggregate lead to, and for each outcome what
// others of the same command id are compared by.
type history struct {
	*verification
	spec      *topology.AggregateSpec
	codec     *codecs.Aggregate
	partition int32

	folder  *folder
	tables  []*table // that of the states, then those of folder.projections
	routes  []*route // to projections that are re-keyed
	answers *answers

	commands, outcomes, events *stream

	last      int64 // the command that was looked at last
	expired   int64 // outcomes of commands before this one are gone
	first     int64 // commands before this one are gone
	lastEvent int64 // offset of the last event
	reached   int64 // the last command that led to an event

	read        struct{ events, commands, outcomes, aggregates, rows int64 }
	withoutAny  int64 // events whose command is gone
	withoutGone int64 // events whose outcome is gone
	notCompared int64 // rows of aggregates whose events are damaged
}

// moment is everything that one command led to.
type moment struct {
	at      int64
	exists  bool
	command *codecs.Command // nil where it cannot be read or there is none
	record  record.Record   // the command's
	answers []answer
	events  []happened
}

type answer struct {
	place   record.Record
	outcome foldlog.Outcome
	fault   error
}

type happened struct {
	place record.Record
	event foldlog.Event[any]
	fault error
	cause int64 // the offset of its command; -1 where that is not in line
}

func (h *history) run(ctx context.Context, log *kafkalog.Log) error {
	b := h.budget()
	defer b.close()
	h.codec = h.config.Codecs.Aggregate(h.spec.Name)
	h.folder = newFolder(h.reading, h.spec, b)
	h.answers = newAnswers(b)
	defer h.answers.close()
	h.tables = []*table{h.stateTable(h.spec, h.partition)}
	events, commands := h.names.Events(h.spec.Name), h.names.Commands(h.spec.Name)
	h.tables[0].low, h.tables[0].high = h.cut.settled[events][h.partition], h.cut.end[events][h.partition]
	for _, p := range h.folder.projections {
		t := h.projectionTable(p.Spec(), h.partition)
		t.follow(h.cut, h.names.Group(p.Spec().ID()), h.partition)
		h.tables = append(h.tables, t)
	}
	for _, t := range h.tables {
		if err := t.read(ctx, h.verification, log, b); err != nil {
			return err
		}
	}
	for _, p := range sources(h.config.Topology, h.spec.Name, true) {
		h.routes = append(h.routes, h.newRoute(p, h.partition))
	}
	h.commands = h.open(ctx, log, h.cut.span(commands, h.partition))
	defer h.commands.close()
	h.outcomes = h.open(ctx, log, h.cut.span(h.names.Outcomes(h.spec.Name), h.partition))
	defer h.outcomes.close()
	h.events = h.open(ctx, log, h.cut.span(events, h.partition))
	defer h.events.close()
	if h.events.from > 0 {
		h.find(Finding{Check: CheckStart, Topic: events, Partition: h.partition, Offset: h.events.from, Part: h.spec.Name,
			Want: "events from offset 0 on", Have: "a log that begins here: events are kept for ever"})
	}
	if err := h.merge(ctx); err != nil {
		return err
	}
	if err := h.checkOnce(ctx, log); err != nil {
		return err
	}
	if err := h.finish(ctx); err != nil {
		return err
	}
	h.tell()
	return nil
}

// merge goes through the three logs in the order of commands.
func (h *history) merge(ctx context.Context) error {
	h.last, h.lastEvent, h.reached, h.first = -1, -1, -1, h.commands.from
	// of what is older than the first outcome that is left, nothing is known
	if h.outcomes.from > 0 {
		h.expired = math.MaxInt64
		if h.outcomes.peek() != nil {
			if at, err := h.outcomes.position(); err == nil {
				h.expired = at.Offset
			}
		}
	}
	var m moment // its lists are used again for each
	for {
		outcome, strayOutcome := h.cause(ctx, h.outcomes, h.strayOutcome)
		event, strayEvent := h.cause(ctx, h.events, h.strayEvent)
		if err := errors.Join(h.commands.err, h.outcomes.err, h.events.err, strayOutcome, strayEvent); err != nil {
			return err
		}
		m = moment{at: min(outcome, event), answers: m.answers[:0], events: m.events[:0]}
		if r := h.commands.peek(); r != nil {
			m.at = min(m.at, r.Offset)
		}
		if m.at == math.MaxInt64 {
			return nil
		}
		if err := h.gather(ctx, &m); err != nil {
			return err
		}
		if err := h.check(ctx, &m); err != nil {
			return err
		}
		h.last = m.at
	}
}

// cause returns the command that the next record of a log follows from, after passing what cannot
// be brought into line. At the end it is the largest number.
func (h *history) cause(ctx context.Context, s *stream, stray func(context.Context, record.Record, Finding) error) (int64, error) {
	for r := s.peek(); r != nil; r = s.peek() {
		at, err := s.position()
		if err == nil && at.Aggregate == h.spec.Name && at.Partition == h.partition && at.Offset > h.last {
			return at.Offset, nil
		}
		f := Finding{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Part: h.spec.Name, Key: string(r.Key)}
		switch {
		case err != nil:
			f.Check, f.Want, f.Have = CheckCause, "the place of a command", err.Error()
		case at.Aggregate != h.spec.Name || at.Partition != h.partition:
			f.Check, f.Want, f.Have = CheckCause, fmt.Sprintf("a command in partition %d of %s", h.partition, h.commands.topic), at.String()
			if want := topology.PartitionOf(r.Key, h.config.Settings.Partitions); want != h.partition {
				f.Check, f.Want, f.Have = CheckPartition, fmt.Sprintf("partition %d", want), fmt.Sprintf("a record in partition %d", h.partition)
			}
		default:
			f.Check, f.Want, f.Have = CheckOrder, fmt.Sprintf("something that follows from a command after offset %d", h.last), at.String()
		}
		taken := *r
		s.pop()
		if err := stray(ctx, taken, f); err != nil {
			return 0, err
		}
	}
	return math.MaxInt64, nil
}

// strayOutcome reports an outcome that is out of line.
func (h *history) strayOutcome(_ context.Context, _ record.Record, f Finding) error {
	h.read.outcomes++
	h.find(f)
	return nil
}

// strayEvent reports an event that is out of line. It counts as an event nevertheless, unless it
// belongs to another partition.
func (h *history) strayEvent(ctx context.Context, r record.Record, f Finding) error {
	h.find(f)
	h.read.events++
	if f.Check == CheckPartition {
		return nil
	}
	e, fault, err := h.decodeEvent(ctx, &r)
	if err != nil {
		return err
	}
	_, err = h.event(ctx, &happened{r, e, fault, -1}, nil, e.Version)
	return err
}

// gather takes everything that one command led to from the logs.
func (h *history) gather(ctx context.Context, m *moment) error {
	if r := h.commands.peek(); r != nil && r.Offset == m.at {
		m.exists, m.record = true, *r
		h.read.commands++
		command, err := h.codec.DecodeCommandUnhashed(ctx, *r)
		switch undecodable := (*codecs.Undecodable)(nil); {
		case err == nil:
			m.command = &command
		case !errors.As(err, &undecodable):
			return err
		}
		h.commands.pop()
	}
	for r := h.outcomes.peek(); r != nil && h.follows(h.outcomes, m.at); r = h.outcomes.peek() {
		a := answer{place: *r}
		h.read.outcomes++
		if a.outcome, a.fault = h.codec.DecodeOutcome(ctx, r.Value); a.fault != nil {
			if undecodable := (*codecs.Undecodable)(nil); !errors.As(a.fault, &undecodable) {
				return a.fault
			}
		}
		m.answers = append(m.answers, a)
		h.outcomes.pop()
	}
	for r := h.events.peek(); r != nil && h.follows(h.events, m.at); r = h.events.peek() {
		e, fault, err := h.decodeEvent(ctx, r)
		if err != nil {
			return err
		}
		h.read.events++
		m.events = append(m.events, happened{*r, e, fault, m.at})
		h.events.pop()
	}
	return nil
}

// follows reports whether the next record of a log follows from a command.
func (h *history) follows(s *stream, at int64) bool {
	p, err := s.position()
	return err == nil && p.Aggregate == h.spec.Name && p.Partition == h.partition && p.Offset == at
}

// decodeEvent returns an event, or what is wrong with its bytes; err is of the infrastructure.
func (h *history) decodeEvent(ctx context.Context, r *record.Record) (e foldlog.Event[any], fault, err error) {
	if r.Value == nil {
		return e, errors.New("no value"), nil
	}
	e, err = h.codec.DecodeEvent(ctx, r.Value)
	if undecodable := (*codecs.Undecodable)(nil); errors.As(err, &undecodable) {
		return e, undecodable, nil
	}
	return e, nil, err
}

// finish compares the tables with what the events led to.
func (h *history) finish(ctx context.Context) error {
	sample := h.sample(h.folder.count)
	err := each(h.folder.all, func(id string, a *folded) error {
		h.read.aggregates++
		asks := sample.takes()
		for i, t := range h.tables {
			if a.damaged {
				h.notCompared++
				continue
			}
			h.read.rows++
			if err := h.compare(ctx, t, i, id, a); err != nil {
				return err
			}
			if row := a.rowOf(i); asks && row != nil && h.lastEvent < t.high {
				after := foldlog.Position{Aggregate: h.spec.Name, Partition: h.partition, Offset: a.cause}
				if err := h.ask(ctx, sample, h.question(i, id, row, after)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, t := range h.tables {
		err := t.strangers(ctx, h.verification, func(id string) (bool, error) {
			a, known, err := h.folder.all.get(id)
			return known && (a.damaged || a.matched&(1<<i) != 0 || a.rowOf(i) != nil), err
		})
		if err != nil {
			return err
		}
	}
	for _, r := range h.routes {
		r.close()
	}
	h.tellNewer(sample, h.spec.Name)
	return nil
}

// question returns what to ask for row i of an aggregate.
func (h *history) question(i int, id string, row any, after foldlog.Position) asked {
	q := asked{part: h.spec.Name, key: id, row: row, after: after, reached: func(int32) int64 { return h.reached }}
	if i > 0 {
		q.version = h.folder.projections[i-1].Spec()
		q.part = q.version.Name
	}
	return q
}

func (h *history) compare(ctx context.Context, t *table, i int, id string, a *folded) error {
	if a.matched&(1<<i) != 0 {
		return nil
	}
	row := a.rowOf(i)
	right, err := t.right(ctx, id, row)
	if err != nil || right {
		return err
	}
	if i == 0 && a.other != nil {
		state := a.stateRow()
		state.Chain = *a.other
		if right, err := t.right(ctx, id, state); err != nil || right {
			return err
		}
	}
	f, err := t.report(ctx, id, row)
	if err == nil {
		h.find(f)
	}
	return err
}

// tell adds to the report what was read and what could not be checked.
func (h *history) tell() {
	h.count(func(r *Report) {
		r.Events += h.read.events
		r.Commands += h.read.commands
		r.Outcomes += h.read.outcomes
		r.Aggregates += h.read.aggregates
		r.Rows += h.read.rows
	})
	place := func(topic string) string { return fmt.Sprintf("%s/%d", topic, h.partition) }
	if h.withoutAny > 0 {
		h.unchecked("%s: the commands of %d events are beyond the retention of %s", place(h.events.topic), h.withoutAny, h.commands.topic)
	}
	if h.withoutGone > 0 {
		h.unchecked("%s: the outcomes of the commands of %d events are beyond the retention of %s", place(h.events.topic), h.withoutGone, h.outcomes.topic)
	}
	if h.notCompared > 0 {
		h.unchecked("%s: %d rows of aggregates whose events are damaged were not compared", place(h.events.topic), h.notCompared)
	}
	for i, t := range h.tables[1:] {
		if t.high <= h.lastEvent {
			h.unchecked("%s: projection %s has handled the events up to offset %d only", place(h.events.topic), h.folder.projections[i].Spec().ID(), t.high)
		}
	}
}
