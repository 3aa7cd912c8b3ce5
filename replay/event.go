package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/topology"
)

// event checks an event against the ones before it, folds it, and sends it on to the re-keyed
// projections. Command is nil where it is not known; first is the version of the command's first
// event, the event's own where that is not known. It reports whether the event is a new one of its
// aggregate.
func (h *history) event(ctx context.Context, e *happened, command *codecs.Command, first int64) (fresh bool, err error) {
	r := &e.place
	h.lastEvent = max(h.lastEvent, r.Offset)
	id := string(r.Key)
	found := func(check Check, want, have string) {
		h.find(Finding{Check: check, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Part: h.spec.Name, Key: id, Version: e.event.Version,
			Want: want, Have: have})
	}
	if want := topology.PartitionOf(r.Key, h.config.Settings.Partitions); want != h.partition {
		found(CheckPartition, fmt.Sprintf("partition %d", want), fmt.Sprintf("an event in partition %d", h.partition))
		return false, nil // its aggregate is elsewhere
	}
	a, err := h.folder.of(id)
	if err != nil {
		return false, err
	}
	if err := h.settle(ctx, id, a, r.Offset); err != nil {
		return false, err
	}
	if e.fault != nil {
		found(CheckDecode, "an event", e.fault.Error())
		a.version, a.damaged = a.version+1, true
		copy(a.chain[:], r.Header(codecs.HeaderChain))
		a.other = nil
		return true, h.folder.all.put(id, a)
	}
	if e.event.AggregateID != id {
		found(CheckKey, fmt.Sprintf("the key %q", e.event.AggregateID), fmt.Sprintf("%q", id))
	}
	fits, err := h.folder.inSequence(ctx, a, e, found)
	if err != nil || !fits {
		return false, err
	}
	h.checkOrigin(a, e, command, first, found)
	h.fold(a, e, found)
	return true, h.folder.all.put(id, a)
}

// checkOrigin checks what an event says of its command, and its time.
func (h *history) checkOrigin(a *folded, e *happened, command *codecs.Command, first int64, found func(check Check, want, have string)) {
	event := &e.event
	if want := foldlog.EventID(event.CommandID, event.AggregateID, int(event.Version-first)); want != event.EventID {
		found(CheckEventID, fmt.Sprintf("%s, as event %d of command %q", want, event.Version-first, event.CommandID), event.EventID)
	}
	floor := a.recordedAt
	a.recordedAt = later(event.RecordedAt, floor)
	if event.RecordedAt.Before(floor) {
		found(CheckTime, "a time not before "+floor.Format(timeLayout), event.RecordedAt.Format(timeLayout))
	} else if command != nil {
		if want := later(command.RecordedAt, floor); !want.Equal(event.RecordedAt) {
			found(CheckTime, want.Format(timeLayout)+", when the command was recorded", event.RecordedAt.Format(timeLayout))
			a.recordedAt = want
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
			found(CheckCommand, fmt.Sprintf("%s %q, as the command has it", pair[0], pair[1]), fmt.Sprintf("%q", pair[2]))
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// fold folds an event and sends it on.
func (h *history) fold(a *folded, e *happened, found func(check Check, want, have string)) {
	offset := e.place.Offset
	if !a.damaged {
		if err := h.folder.evolve(a, e.event); err != nil {
			found(CheckDecode, "an event that the domain can fold", err.Error())
			a.damaged = true
		}
		for i, p := range h.folder.projections {
			if offset < h.tables[i+1].high {
				a.rows[i] = project(p.Spec(), a.rows[i], e.event)
			}
		}
	}
	a.cause = max(a.cause, e.cause)
	h.reached = max(h.reached, a.cause)
	for _, r := range h.routes {
		r.add(e)
	}
}

// settle looks, before an event that may or may not be in the rows, which rows are right without
// it.
func (h *history) settle(ctx context.Context, id string, a *folded, offset int64) error {
	for i, t := range h.tables {
		if offset < t.low || a.damaged || a.matched&(1<<i) != 0 {
			continue
		}
		right, err := t.right(ctx, id, a.rowOf(i))
		if err != nil {
			return err
		}
		if right {
			a.matched |= 1 << i
		}
	}
	return nil
}
