package processors

import (
	"context"
	"fmt"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/step"
)

// decide asks the domain, and turns its answer into events, a new row and an outcome.
func (d *decision) decide(ctx context.Context, row any) (step.Step, error) {
	before, exists := row.(codecs.State)
	if !exists {
		before.Data = d.spec.Decider.Initial()
	}
	if want := d.command.ExpectedVersion; want != nil && *want != before.Version {
		return d.reject(foldlog.Reject(foldlog.CodeVersionConflict, "the aggregate has version %d, expected was %d", before.Version, *want))
	}
	events, after, err := d.ask(before)
	if rejection, refused := foldlog.AsRejection(err); refused {
		return d.reject(rejection)
	}
	if err != nil {
		return step.Step{}, err
	}
	outcome := d.outcome()
	outcome.Accepted = true
	outcome.Version = before.Version
	if len(events) == 0 {
		return d.finish(outcome, nil)
	}
	records, chain, err := d.encode(ctx, events, before.Chain)
	if err != nil {
		return step.Step{}, err
	}
	last := events[len(events)-1]
	outcome.FirstVersion, outcome.Version, outcome.RecordedAt = events[0].Version, last.Version, last.RecordedAt
	for _, e := range events {
		outcome.EventIDs = append(outcome.EventIDs, e.EventID)
	}
	state := codecs.State{Version: last.Version, RecordedAt: last.RecordedAt, Chain: chain, Data: after}
	encoded, err := d.codec.EncodeState(state)
	if err != nil {
		return step.Step{}, fmt.Errorf("encode the state of %s %s: %w", d.spec.Name, d.command.AggregateID, err)
	}
	s, err := d.finish(outcome, records)
	if err != nil {
		return step.Step{}, err
	}
	s.Row = &step.Row{Value: state, Encoded: encoded}
	if err := checkSizes(s); err != nil {
		return d.reject(foldlog.Reject(foldlog.CodeTooLarge, "%v", err))
	}
	for _, e := range events {
		d.metrics.events.WithLabelValues(d.spec.Name, e.Type).Inc()
	}
	s.Progress = &step.Progress{Source: d.spec.Name, Partition: d.position.Partition, Offset: d.position.Offset}
	return s, nil
}

// ask runs the domain's functions.
func (d *decision) ask(before codecs.State) (events []foldlog.Event[any], after any, err error) {
	payloads, err := d.spec.Decider.Decide(before.Data, d.command.Command)
	if err != nil {
		return nil, nil, err
	}
	meta := d.command.Meta
	meta.RecordedAt = later(meta.RecordedAt, before.RecordedAt)
	meta.CausationID = d.command.CommandID
	after = before.Data
	for i, payload := range payloads {
		spec, declared := d.spec.EventOf(payload)
		if !declared {
			return nil, nil, fmt.Errorf("the decider returned a %T, which the topology does not declare as an event of %s", payload, d.spec.Name)
		}
		e := foldlog.Event[any]{
			Meta:    meta,
			EventID: foldlog.EventID(d.command.CommandID, d.command.AggregateID, i),
			Type:    spec.Name,
			Version: before.Version + int64(i) + 1,
			Data:    payload,
		}
		after = d.spec.Decider.Evolve(after, e)
		events = append(events, e)
	}
	return events, after, nil
}

// encode returns the records of the events and the chain value after the last.
func (d *decision) encode(ctx context.Context, events []foldlog.Event[any], chain [32]byte) ([]record.Record, [32]byte, error) {
	records := make([]record.Record, 0, len(events)+1)
	cause := []byte(d.position.String())
	for i, e := range events {
		value, err := d.codec.EncodeEvent(e)
		if err == nil {
			chain, err = d.codec.Chain(ctx, chain, value)
		}
		if err != nil {
			return nil, chain, fmt.Errorf("encode event %d of command %s at %s: %w", i, e.CommandID, d.position, err)
		}
		headers := append([]record.Header{
			{Key: codecs.HeaderChain, Value: append([]byte(nil), chain[:]...)},
			{Key: codecs.HeaderCause, Value: cause},
		}, codecs.CloudEventHeaders(d.source, e)...)
		headers = append(headers, codecs.TraceHeaders(d.in.Header(codecs.HeaderTraceparent))...)
		if i == len(events)-1 { // only with its last event is a command complete
			headers = append(headers, record.Header{Key: codecs.HeaderProgress, Value: cause})
		}
		records = append(records, record.Record{
			Topic: d.names.Events(d.spec.Name), Key: []byte(e.AggregateID), Value: value, Headers: headers, Timestamp: e.RecordedAt,
		})
	}
	return records, chain, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
