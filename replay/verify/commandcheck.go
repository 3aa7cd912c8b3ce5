package verify

import (
	"context"
	"fmt"
	"strings"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/replay/kit"
)

// check checks the effect of one command: one outcome, and the events that it names.
func (c *partitionCheck) check(ctx context.Context, m *moment) error {
	c.checkCommand(m)
	var outcome *foldlog.Outcome // what the events must be those of, if it is known
	for i := range m.answers {
		a := &m.answers[i]
		if i > 0 {
			c.ofAnswer(a, kit.CheckOutcome, fmt.Sprintf("one outcome for the command at offset %d", m.at), "another one")
			continue
		}
		usable, err := c.checkAnswer(m, a)
		if err != nil {
			return err
		}
		if usable {
			outcome = &a.outcome
		}
	}
	events, err := c.checkEvents(ctx, m, outcome)
	if err != nil {
		return err
	}
	if len(events) > 0 {
		c.checkSender(m)
	}
	if outcome == nil {
		return nil
	}
	return c.match(m, outcome, events)
}

// ofAnswer reports something about an outcome.
func (c *partitionCheck) ofAnswer(a *answer, check kit.Check, want, have string) {
	f := kit.At(&a.record, c.spec.Name).Says(check, want, have)
	f.Version = a.outcome.Version
	c.found.add(f)
}

// ofFirst reports something about the first thing that a command led to.
func (c *partitionCheck) ofFirst(m *moment, check kit.Check, want, have string) {
	var f kit.Finding
	if len(m.events) > 0 {
		f = m.events[0].Finding(c.spec.Name)
	} else {
		f = kit.At(&m.answers[0].record, c.spec.Name)
	}
	c.found.add(f.Says(check, want, have))
}

// checkCommand checks that the command is there and was answered.
func (c *partitionCheck) checkCommand(m *moment) {
	led := len(m.answers) + len(m.events)
	if !m.exists {
		if m.at < c.commands.From {
			c.withoutAny += int64(len(m.events))
			return
		}
		c.ofFirst(m, kit.CheckCommand, fmt.Sprintf("the command at %s/%d/%d that it follows from", c.commands.Topic, c.partition, m.at), "none")
		return
	}
	origin := m.record.Header(codecs.HeaderOriginTopic) != nil
	if origin {
		c.run.forwards.arrived(c.spec.Name, &m.record)
	}
	f := kit.At(&m.record, c.spec.Name)
	handled := m.at < c.run.snapshot.handled[c.spec.Name][c.partition]
	if m.command != nil && (len(m.record.Key) == 0 || c.partitionOf([]byte(m.command.AggregateID)) != c.partition) && !origin {
		// The copy would not have fitted.
		setAside := c.run.letters.Has(c.spec.Name, c.partition, m.at)
		if handled && !setAside {
			c.run.forwards.sent(f)
		}
		if led > 0 {
			c.found.add(f.Says(kit.CheckPartition, "a command of another partition to be forwarded", "something that follows from it here"))
		}
		return
	}
	if led == 0 && handled && m.at >= c.expired && !c.run.letters.Has(c.spec.Name, c.partition, m.at) {
		c.found.add(f.Says(kit.CheckOutcome, "an outcome or a dead letter, since the command was handled", "neither"))
	}
}

// checkAnswer checks an outcome by itself and against its command. It reports whether events can be
// compared with it.
func (c *partitionCheck) checkAnswer(m *moment, a *answer) (usable bool, err error) {
	o := &a.outcome
	if a.fault != nil {
		c.ofAnswer(a, kit.CheckDecode, "an outcome", a.fault.Error())
		return false, nil
	}
	if o.AggregateID != string(a.record.Key) {
		c.ofAnswer(a, kit.CheckKey, fmt.Sprintf("the key %q", o.AggregateID), fmt.Sprintf("%q", a.record.Key))
		return false, nil
	}
	if want := c.partitionOf(a.record.Key); want != c.partition {
		c.ofAnswer(a, kit.CheckPartition, fmt.Sprintf("partition %d", want), fmt.Sprintf("an outcome in partition %d", c.partition))
		return false, nil
	}
	if command := m.command; command != nil {
		if o.CommandID != command.CommandID || o.AggregateID != command.AggregateID {
			c.ofAnswer(a, kit.CheckCommand, fmt.Sprintf("the outcome of command %q of %q at offset %d", command.CommandID, command.AggregateID, m.at),
				fmt.Sprintf("that of command %q of %q", o.CommandID, o.AggregateID))
			return false, nil
		}
		if o.Actor != "" && !o.Repeat && o.Actor != command.Actor {
			c.ofAnswer(a, kit.CheckCommand, fmt.Sprintf("actor %q, as the command has it", command.Actor), fmt.Sprintf("%q", o.Actor))
		}
	} else if m.exists {
		c.ofAnswer(a, kit.CheckOutcome, "a dead letter, since the command cannot be read", "an outcome")
	}
	if want := (foldlog.Position{Aggregate: c.spec.Name, Partition: c.partition, Offset: m.at}); !o.Repeat && o.Position != want {
		c.ofAnswer(a, kit.CheckCause, want.String()+", as its header says", o.Position.String())
	}
	return true, c.remember(m, a)
}

// checkEvents checks the events of a command one by one and returns those that are new ones of
// their aggregate.
func (c *partitionCheck) checkEvents(ctx context.Context, m *moment, outcome *foldlog.Outcome) ([]*kit.LoggedEvent, error) {
	if len(m.events) == 0 {
		return nil, nil
	}
	if len(m.answers) == 0 {
		switch settled := c.tables[0].low; {
		case m.at < c.expired:
			c.withoutGone += int64(len(m.events))
		case m.events[0].Record.Offset < settled:
			c.ofFirst(m, kit.CheckOutcome, fmt.Sprintf("an outcome of the command at offset %d, which the event follows from", m.at), "none")
		}
	}
	first := m.events[0].Event.Version
	if outcome != nil && outcome.FirstVersion > 0 {
		first = outcome.FirstVersion
	}
	var fresh []*kit.LoggedEvent
	for i := range m.events {
		e := &m.events[i]
		ok, err := c.event(ctx, e, m.at, m.command, first)
		if err != nil {
			return nil, err
		}
		if ok {
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}

// match compares an outcome with the events that there are.
func (c *partitionCheck) match(m *moment, o *foldlog.Outcome, events []*kit.LoggedEvent) error {
	a := &m.answers[0]
	if o.Repeat || !o.Accepted || o.FirstVersion == 0 {
		if len(events) > 0 {
			c.ofFirst(m, kit.CheckEvents, fmt.Sprintf("no event, since the outcome at offset %d names none", a.record.Offset), "an event")
		}
		if o.Accepted && !o.Repeat && o.FirstVersion == 0 {
			return c.checkWithoutEffect(a)
		}
		return nil
	}
	if named(o, events) {
		c.matchTimes(a, events[len(events)-1])
		return nil
	}
	check, have := kit.CheckOutcome, ""
	if int64(len(events)) < o.Version-o.FirstVersion+1 {
		check, have = kit.CheckEvents, fmt.Sprintf("%d of them: ", len(events))
	}
	if len(events) > 0 {
		ids := make([]string, len(events))
		for i, e := range events {
			ids[i] = e.Event.EventID
			if e.Fault != nil && i < len(o.EventIDs) { // reported already
				ids[i] = o.EventIDs[i]
			}
		}
		have += fmt.Sprintf("versions %d to %d, ids %s", events[0].Event.Version, events[len(events)-1].Event.Version, strings.Join(ids, " "))
	} else {
		have = "no events"
	}
	want := fmt.Sprintf("versions %d to %d, ids %s", o.FirstVersion, o.Version, strings.Join(o.EventIDs, " "))
	c.ofAnswer(a, check, "events with "+kit.Clip(want), kit.Clip(have))
	return nil
}

// named reports whether an outcome names these events. Of an event that cannot be read, which is
// reported already, nothing is compared.
func named(o *foldlog.Outcome, events []*kit.LoggedEvent) bool {
	if len(events) == 0 || len(events) != len(o.EventIDs) {
		return false
	}
	first, last := events[0], events[len(events)-1]
	if first.Fault == nil && first.Event.Version != o.FirstVersion || last.Fault == nil && last.Event.Version != o.Version {
		return false
	}
	for i, e := range events {
		if e.Fault == nil && e.Event.EventID != o.EventIDs[i] {
			return false
		}
	}
	return true
}

// matchTimes checks the other common parts of an outcome and its last event, and that the event
// says that its command is complete.
func (c *partitionCheck) matchTimes(a *answer, last *kit.LoggedEvent) {
	if last.Fault != nil {
		return
	}
	if o := &a.outcome; !o.RecordedAt.Equal(last.Event.RecordedAt) {
		c.ofAnswer(a, kit.CheckTime, "the time of its last event, "+inMicros(last.Event.RecordedAt), inMicros(o.RecordedAt))
	}
	r := &last.Record
	if cause, progress := r.Header(codecs.HeaderCause), r.Header(codecs.HeaderProgress); string(cause) != string(progress) {
		c.found.add(last.Finding(c.spec.Name).Says(kit.CheckCause,
			"the header foldlog-progress with "+string(cause)+", since it is its command's last event", fmt.Sprintf("%q", progress)))
	}
}

// checkWithoutEffect checks the version that an accepted command without events found.
func (c *partitionCheck) checkWithoutEffect(a *answer) error {
	now, known, err := c.folds.All.Get(a.outcome.AggregateID)
	if err != nil {
		return err
	}
	version := int64(0)
	if known {
		version = now.Version
	}
	if a.outcome.Version != version && (!known || !now.Damaged) {
		c.ofAnswer(a, kit.CheckOutcome, fmt.Sprintf("version %d, which the aggregate had", version), fmt.Sprintf("version %d", a.outcome.Version))
	}
	return nil
}
