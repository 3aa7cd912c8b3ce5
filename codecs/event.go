package codecs

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/avro"
)

// EncodeEvent returns the value of an event's record. The event's type must be the declared one of
// its data, a value of the declared Go type. The time is cut to microseconds. The writer checks the
// size of the record.
func (a *Aggregate) EncodeEvent(e foldlog.Event[any]) ([]byte, error) {
	value, err := a.appendEvent(avro.AppendPrefix(make([]byte, 0, 384), a.events.id), e)
	if err != nil {
		return nil, fmt.Errorf("encode event %s of %s %s: %w", e.Type, a.spec.Name, e.AggregateID, err)
	}
	return value, nil
}

func (a *Aggregate) appendEvent(dst []byte, e foldlog.Event[any]) ([]byte, error) {
	codec := a.eventType[reflect.TypeOf(e.Data)]
	switch {
	case codec == nil:
		return nil, fmt.Errorf("%T is not declared as an event", e.Data)
	case e.Type != codec.spec.Name:
		return nil, fmt.Errorf("its type is %q, but its data is a %s", e.Type, codec.spec.Name)
	case e.Version < 1:
		return nil, fmt.Errorf("version %d: versions count from 1", e.Version)
	}
	if err := checkTime(e.RecordedAt); err != nil {
		return nil, err
	}
	if err := checkTexts(e.EventID, e.AggregateID, e.CommandID, e.CorrelationID, e.CausationID, e.Actor); err != nil {
		return nil, err
	}
	var err error
	for _, field := range a.eventLayout {
		switch field {
		case "event_id":
			dst = avro.AppendString(dst, e.EventID)
		case "event_type":
			dst = avro.AppendString(dst, e.Type)
		case "aggregate_id":
			dst = avro.AppendString(dst, e.AggregateID)
		case "version":
			dst = avro.AppendLong(dst, e.Version)
		case "recorded_at":
			dst = avro.AppendLong(dst, e.RecordedAt.UnixMicro())
		case "command_id":
			dst = avro.AppendString(dst, e.CommandID)
		case "correlation_id":
			dst = avro.AppendString(dst, e.CorrelationID)
		case "causation_id":
			dst = avro.AppendOptionalString(dst, e.CausationID)
		case "actor":
			dst = avro.AppendString(dst, e.Actor)
		case "data":
			if dst, err = codec.binding.Append(avro.AppendLong(dst, int64(codec.branch)), e.Data); err != nil {
				return nil, err
			}
		}
	}
	return dst, nil
}

// DecodeEvent returns the event in a record's value; its data is a value of the declared Go type.
// The error is an *Undecodable or wraps schemas.ErrUnavailable.
func (a *Aggregate) DecodeEvent(ctx context.Context, value []byte) (foldlog.Event[any], error) {
	o, err := a.events.openSound(ctx, value)
	if err != nil {
		return foldlog.Event[any]{}, err
	}
	defer o.parts.Release()
	e, eventType, data := a.readEventEnvelope(o)
	branch, body := avro.ReadBranch(data)
	codec := a.eventAt[branch]
	switch {
	case codec == nil:
		err = fmt.Errorf("data: a record that is not declared as an event: %w", ErrNewerSchema)
	case codec.spec.Name != string(eventType):
		err = fmt.Errorf("event_type is %q, but data is a %s", avro.Clip(string(eventType)), codec.spec.Name)
	case e.Version < 1:
		err = errVersion(e.Version)
	default:
		e.Type = codec.spec.Name
		e.Data, err = o.slot(branch).decode(body)
	}
	if err != nil {
		return foldlog.Event[any]{}, &Undecodable{Raw: value, Cause: err}
	}
	return e, nil
}

// DecodeEventEnvelope returns the event in a record's value without its data. It also reads events
// of types that are unknown here: they can be kept and found before a release understands them. The
// error is an *Undecodable or wraps schemas.ErrUnavailable.
func (a *Aggregate) DecodeEventEnvelope(ctx context.Context, value []byte) (foldlog.Event[any], error) {
	o, err := a.events.open(ctx, value)
	if err != nil {
		return foldlog.Event[any]{}, err
	}
	defer o.parts.Release()
	for i, field := range a.eventLayout {
		if f := o.parts.Faults[i]; f != nil && field != "data" {
			return foldlog.Event[any]{}, &Undecodable{Raw: value, Cause: f}
		}
	}
	e, eventType, _ := a.readEventEnvelope(o)
	if e.Version < 1 {
		return foldlog.Event[any]{}, &Undecodable{Raw: value, Cause: errVersion(e.Version)}
	}
	e.Type = string(eventType)
	return e, nil
}

// readEventEnvelope returns an event without type and data, and both of them in their written form.
func (a *Aggregate) readEventEnvelope(o opened) (e foldlog.Event[any], eventType, data []byte) {
	for i, field := range a.eventLayout {
		v := o.parts.Values[i]
		switch field {
		case "event_id":
			e.EventID = avro.ReadString(v)
		case "event_type":
			eventType = avro.ReadBytes(v)
		case "aggregate_id":
			e.AggregateID = avro.ReadString(v)
		case "version":
			e.Version = avro.ReadLong(v)
		case "recorded_at":
			e.RecordedAt = time.UnixMicro(avro.ReadLong(v)).UTC()
		case "command_id":
			e.CommandID = avro.ReadString(v)
		case "correlation_id":
			e.CorrelationID = shared(avro.ReadBytes(v), e.CommandID)
		case "causation_id":
			if v = avro.ReadOptional(v); v != nil {
				e.CausationID = shared(avro.ReadBytes(v), e.CommandID)
			}
		case "actor":
			e.Actor = shared(avro.ReadBytes(v), AnonymousActor)
		case "data":
			data = v
		}
	}
	return e, eventType, data
}

func errVersion(version int64) error {
	return fmt.Errorf("version is %d: versions count from 1", version)
}
