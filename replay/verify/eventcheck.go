package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/replay/kit"
)

// event checks an event against the ones before it, folds it, and sends it on to the re-keyed
// projections. At is the offset of its command, or -1 if it is out of line. Command is nil if it is
// not known; first is the version of the command's first event, or the event's own. It reports
// whether the event is a new one of its aggregate.
func (c *partitionCheck) event(ctx context.Context, e *kit.LoggedEvent, at int64, command *codecs.Command, first int64) (fresh bool, err error) {
	r := &e.Record
	c.lastEvent = max(c.lastEvent, r.Offset)
	id := string(r.Key)
	found := func(check kit.Check, want, have string) { c.found.add(e.Finding(c.spec.Name).Says(check, want, have)) }
	if want := c.partitionOf(r.Key); want != c.partition {
		found(kit.CheckPartition, fmt.Sprintf("partition %d", want), fmt.Sprintf("an event in partition %d", c.partition))
		return false, nil // its aggregate is elsewhere
	}
	a, err := c.folds.Of(id)
	if err != nil {
		return false, err
	}
	if err := c.settle(ctx, id, a, r.Offset); err != nil {
		return false, err
	}
	if e.Fault != nil {
		found(kit.CheckDecode, "an event", e.Fault.Error())
		a.Version, a.Damaged = a.Version+1, true
		copy(a.Chain[:], r.Header(codecs.HeaderChain))
		a.OtherChain = nil
		return true, c.folds.All.Put(id, a)
	}
	if e.Event.AggregateID != id {
		found(kit.CheckKey, fmt.Sprintf("the key %q", e.Event.AggregateID), fmt.Sprintf("%q", id))
	}
	fits, err := c.folds.InSequence(ctx, a, e, found)
	if err != nil || !fits {
		return false, err
	}
	c.checkOrigin(a, &e.Event, command, first, found)
	c.fold(a, e, found)
	a.Cause = max(a.Cause, at)
	c.reached = max(c.reached, a.Cause)
	return true, c.folds.All.Put(id, a)
}

// checkOrigin checks an event's references to its command, and its time.
func (c *partitionCheck) checkOrigin(a *kit.AggregateFold, event *foldlog.Event[any], command *codecs.Command, first int64, found func(check kit.Check, want, have string)) {
	if want := foldlog.EventID(event.CommandID, event.AggregateID, int(event.Version-first)); want != event.EventID {
		found(kit.CheckEventID, fmt.Sprintf("%s, as event %d of command %q", want, event.Version-first, event.CommandID), event.EventID)
	}
	floor := a.RecordedAt
	a.RecordedAt = kit.Later(event.RecordedAt, floor)
	if event.RecordedAt.Before(floor) {
		found(kit.CheckTime, "a time not before "+inMicros(floor), inMicros(event.RecordedAt))
	} else if command != nil {
		if want := kit.Later(command.RecordedAt, floor); !want.Equal(event.RecordedAt) {
			found(kit.CheckTime, inMicros(want)+", when the command was recorded", inMicros(event.RecordedAt))
			a.RecordedAt = want
		}
	}
	if command == nil {
		return
	}
	for _, pair := range [][3]string{
		{"command_id", command.CommandID, event.CommandID},
		{"causation_id", command.CommandID, event.CausationID},
		{"correlation_id", command.CorrelationID, event.CorrelationID},
		{"actor", command.Actor, event.Actor},
	} {
		if pair[1] != pair[2] {
			found(kit.CheckCommand, fmt.Sprintf("%s %q, as the command has it", pair[0], pair[1]), fmt.Sprintf("%q", pair[2]))
		}
	}
}

func inMicros(t time.Time) string { return t.Format("2006-01-02T15:04:05.000000Z") }

// fold folds an event and sends it on.
func (c *partitionCheck) fold(a *kit.AggregateFold, e *kit.LoggedEvent, found func(check kit.Check, want, have string)) {
	if !a.Damaged {
		if err := c.folds.Evolve(a, e.Event); err != nil {
			found(kit.CheckDecode, "an event that the domain can fold", err.Error())
			a.Damaged = true
		}
		for i, p := range c.folds.Projections {
			if e.Record.Offset < c.tables[i+1].high {
				a.Rows[i] = kit.Project(p.Spec(), a.Rows[i], e.Event)
			}
		}
	}
	for _, r := range c.routes {
		r.add(e)
	}
}

// settle looks which rows are right without an event that may or may not be in them.
func (c *partitionCheck) settle(ctx context.Context, id string, a *kit.AggregateFold, offset int64) error {
	for i, t := range c.tables {
		if offset < t.low || a.Damaged || a.Matched&(1<<i) != 0 {
			continue
		}
		right, err := t.right(ctx, id, a.Row(i))
		if err != nil {
			return err
		}
		if right {
			a.Matched |= 1 << i
		}
	}
	return nil
}
