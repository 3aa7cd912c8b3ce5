package replay

import (
	"context"
	"fmt"
	"strings"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/topology"
)

// check checks what one command led to: one outcome, and the events that it names.
func (h *history) check(ctx context.Context, m *moment) error {
	h.checkCommand(m)
	var outcome *foldlog.Outcome // what the events must be those of, where it is known
	for i := range m.answers {
		a := &m.answers[i]
		if i > 0 {
			h.ofAnswer(a, CheckOutcome, fmt.Sprintf("one outcome for the command at offset %d", m.at), "another one")
			continue
		}
		usable, err := h.checkAnswer(m, a)
		if err != nil {
			return err
		}
		if usable {
			outcome = &a.outcome
		}
	}
	events, err := h.checkEvents(ctx, m, outcome)
	if err != nil {
		return err
	}
	if outcome == nil {
		return nil
	}
	return h.match(m, outcome, events)
}

// ofAnswer reports something about an outcome.
func (h *history) ofAnswer(a *answer, check Check, want, have string) {
	r := &a.place
	h.find(Finding{Check: check, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Part: h.spec.Name, Key: string(r.Key), Version: a.outcome.Version,
		Want: want, Have: have})
}

// checkCommand checks that the command is there and was answered.
func (h *history) checkCommand(m *moment) {
	led := len(m.answers) + len(m.events)
	if !m.exists {
		if m.at < h.first {
			h.withoutAny += int64(len(m.events))
			return
		}
		place := m.firstPlace()
		place.Check, place.Part = CheckCommand, h.spec.Name
		place.Want, place.Have = fmt.Sprintf("the command at %s/%d/%d that it follows from", h.commands.topic, h.partition, m.at), "none"
		h.find(place)
		return
	}
	origin := m.record.Header(codecs.HeaderOriginTopic) != nil
	if origin {
		h.forwards.arrived(h.spec.Name, &m.record)
	}
	f := Finding{Check: CheckOutcome, Topic: m.record.Topic, Partition: h.partition, Offset: m.at, Part: h.spec.Name, Key: string(m.record.Key)}
	handled := m.at < h.cut.handled[h.spec.Name][h.partition]
	if m.command != nil && (len(m.record.Key) == 0 || topology.PartitionOf([]byte(m.command.AggregateID), h.config.Settings.Partitions) != h.partition) && !origin {
		if handled {
			h.forwards.sent(f)
		}
		if led > 0 {
			f.Check, f.Want, f.Have = CheckPartition, "a command of another partition to be forwarded", "something that follows from it here"
			h.find(f)
		}
		return
	}
	if led == 0 && handled && m.at >= h.expired && !h.letters.has(h.spec.Name, h.partition, m.at) {
		f.Want, f.Have = "an outcome or a dead letter, since the command was handled", "neither"
		h.find(f)
	}
}

// firstPlace returns where the first thing that a command led to stands.
func (m *moment) firstPlace() Finding {
	if len(m.events) > 0 {
		r := &m.events[0].place
		return Finding{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: string(r.Key), Version: m.events[0].event.Version}
	}
	r := &m.answers[0].place
	return Finding{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: string(r.Key)}
}

// checkAnswer checks an outcome by itself and against its command. It reports whether events can be
// compared with it.
func (h *history) checkAnswer(m *moment, a *answer) (usable bool, err error) {
	o := &a.outcome
	if a.fault != nil {
		h.ofAnswer(a, CheckDecode, "an outcome", a.fault.Error())
		return false, nil
	}
	if o.AggregateID != string(a.place.Key) {
		h.ofAnswer(a, CheckKey, fmt.Sprintf("the key %q", o.AggregateID), fmt.Sprintf("%q", a.place.Key))
		return false, nil
	}
	if want := topology.PartitionOf(a.place.Key, h.config.Settings.Partitions); want != h.partition {
		h.ofAnswer(a, CheckPartition, fmt.Sprintf("partition %d", want), fmt.Sprintf("an outcome in partition %d", h.partition))
		return false, nil
	}
	if c := m.command; c != nil {
		if o.CommandID != c.CommandID || o.AggregateID != c.AggregateID {
			h.ofAnswer(a, CheckCommand, fmt.Sprintf("the outcome of command %q of %q at offset %d", c.CommandID, c.AggregateID, m.at),
				fmt.Sprintf("that of command %q of %q", o.CommandID, o.AggregateID))
			return false, nil
		}
		if o.Actor != "" && !o.Repeat && o.Actor != c.Actor {
			h.ofAnswer(a, CheckCommand, fmt.Sprintf("actor %q, as the command has it", c.Actor), fmt.Sprintf("%q", o.Actor))
		}
	} else if m.exists {
		h.ofAnswer(a, CheckOutcome, "a dead letter, since the command cannot be read", "an outcome")
	}
	if want := (foldlog.Position{Aggregate: h.spec.Name, Partition: h.partition, Offset: m.at}); !o.Repeat && o.Position != want {
		h.ofAnswer(a, CheckCause, want.String()+", as its header says", o.Position.String())
	}
	return true, h.remember(m, a)
}

// checkEvents checks the events of a command one by one and returns those that are new ones of
// their aggregate.
func (h *history) checkEvents(ctx context.Context, m *moment, outcome *foldlog.Outcome) ([]*happened, error) {
	if len(m.events) == 0 {
		return nil, nil
	}
	if len(m.answers) == 0 {
		switch settled := h.tables[0].low; {
		case m.at < h.expired:
			h.withoutGone += int64(len(m.events))
		case m.events[0].place.Offset < settled:
			f := m.firstPlace()
			f.Check, f.Part, f.Want, f.Have = CheckOutcome, h.spec.Name, fmt.Sprintf("an outcome of the command at offset %d, which the event follows from", m.at), "none"
			h.find(f)
		}
	}
	first := m.events[0].event.Version
	if outcome != nil && outcome.FirstVersion > 0 {
		first = outcome.FirstVersion
	}
	var fresh []*happened
	for i := range m.events {
		e := &m.events[i]
		ok, err := h.event(ctx, e, m.command, first)
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
func (h *history) match(m *moment, o *foldlog.Outcome, events []*happened) error {
	a := &m.answers[0]
	if o.Repeat || !o.Accepted || o.FirstVersion == 0 {
		if len(events) > 0 {
			f := m.firstPlace()
			f.Check, f.Part, f.Want = CheckEvents, h.spec.Name, fmt.Sprintf("no event, since the outcome at offset %d names none", a.place.Offset)
			f.Have = "an event"
			h.find(f)
		}
		if o.Accepted && !o.Repeat && o.FirstVersion == 0 {
			return h.checkWithoutEffect(a)
		}
		return nil
	}
	if named(o, events) {
		h.matchTimes(a, events[len(events)-1])
		return nil
	}
	check, have := CheckOutcome, ""
	if int64(len(events)) < o.Version-o.FirstVersion+1 {
		check, have = CheckEvents, fmt.Sprintf("%d of them: ", len(events))
	}
	if len(events) > 0 {
		ids := make([]string, len(events))
		for i, e := range events {
			ids[i] = e.event.EventID
			if e.fault != nil && i < len(o.EventIDs) { // reported already
				ids[i] = o.EventIDs[i]
			}
		}
		have += fmt.Sprintf("versions %d to %d, ids %s", events[0].event.Version, events[len(events)-1].event.Version, strings.Join(ids, " "))
	} else {
		have = "no events"
	}
	want := fmt.Sprintf("versions %d to %d, ids %s", o.FirstVersion, o.Version, strings.Join(o.EventIDs, " "))
	h.ofAnswer(a, check, "events with "+clip(want), clip(have))
	return nil
}

// named reports whether an outcome names these events. Of an event that cannot be read, which is
// reported already, nothing is compared.
func named(o *foldlog.Outcome, events []*happened) bool {
	if len(events) == 0 || len(events) != len(o.EventIDs) {
		return false
	}
	first, last := events[0], events[len(events)-1]
	if first.fault == nil && first.event.Version != o.FirstVersion || last.fault == nil && last.event.Version != o.Version {
		return false
	}
	for i, e := range events {
		if e.fault == nil && e.event.EventID != o.EventIDs[i] {
			return false
		}
	}
	return true
}

// matchTimes checks what else an outcome and its last event have in common, and that the event says
// that its command is complete.
func (h *history) matchTimes(a *answer, last *happened) {
	if last.fault != nil {
		return
	}
	if o := &a.outcome; !o.RecordedAt.Equal(last.event.RecordedAt) {
		h.ofAnswer(a, CheckTime, "the time of its last event, "+last.event.RecordedAt.Format(timeLayout), o.RecordedAt.Format(timeLayout))
	}
	r := &last.place
	if cause, progress := r.Header(codecs.HeaderCause), r.Header(codecs.HeaderProgress); string(cause) != string(progress) {
		h.find(Finding{Check: CheckCause, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Part: h.spec.Name, Key: string(r.Key), Version: last.event.Version,
			Want: "the header foldlog-progress with " + string(cause) + ", since it is its command's last event", Have: fmt.Sprintf("%q", progress)})
	}
}

// checkWithoutEffect checks the version that an accepted command without events found.
func (h *history) checkWithoutEffect(a *answer) error {
	now, known, err := h.folder.all.get(a.outcome.AggregateID)
	if err != nil {
		return err
	}
	version := int64(0)
	if known {
		version = now.version
	}
	if a.outcome.Version != version && (!known || !now.damaged) {
		h.ofAnswer(a, CheckOutcome, fmt.Sprintf("version %d, which the aggregate had", version), fmt.Sprintf("version %d", a.outcome.Version))
	}
	return nil
}
