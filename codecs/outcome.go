package codecs

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/avro"
)

// EncodeOutcome returns the value of an outcome's record.
func (a *Aggregate) EncodeOutcome(o foldlog.Outcome) ([]byte, error) {
	dst := avro.AppendPrefix(make([]byte, 0, 384), a.outcomes.id)
	err := checkTime(o.RecordedAt)
	if err == nil {
		err = checkTexts(o.CommandID, o.AggregateID, o.CommandType, o.Code, o.Message, o.Field, o.CorrelationID, o.Actor)
	}
	if err == nil {
		err = checkTexts(o.EventIDs...)
	}
	if err == nil && o.Position.Aggregate != a.spec.Name {
		err = fmt.Errorf("its position is in the log of %q", o.Position.Aggregate)
	}
	if err != nil {
		return nil, fmt.Errorf("encode outcome of command %q of %s %s: %w", avro.Clip(o.CommandID), a.spec.Name, o.AggregateID, err)
	}
	for _, field := range a.outcomeLayout {
		switch field {
		case "command_id":
			dst = avro.AppendString(dst, o.CommandID)
		case "aggregate_id":
			dst = avro.AppendString(dst, o.AggregateID)
		case "command_type":
			dst = avro.AppendString(dst, o.CommandType)
		case "accepted":
			dst = avro.AppendBool(dst, o.Accepted)
		case "first_version":
			dst = avro.AppendLong(dst, o.FirstVersion)
		case "version":
			dst = avro.AppendLong(dst, o.Version)
		case "event_ids":
			mark := len(dst)
			for _, id := range o.EventIDs {
				dst = avro.AppendString(dst, id)
			}
			dst = avro.CloseBlock(dst, mark, len(o.EventIDs))
		case "code":
			dst = avro.AppendOptionalString(dst, o.Code)
		case "message":
			dst = avro.AppendOptionalString(dst, o.Message)
		case "field":
			dst = avro.AppendOptionalString(dst, o.Field)
		case "recorded_at":
			dst = avro.AppendLong(dst, o.RecordedAt.UnixMicro())
		case "correlation_id":
			dst = avro.AppendString(dst, o.CorrelationID)
		case "payload_hash":
			dst = avro.AppendBytes(dst, o.PayloadHash)
		case "command_partition":
			dst = avro.AppendLong(dst, int64(o.Position.Partition))
		case "command_offset":
			dst = avro.AppendLong(dst, o.Position.Offset)
		case "repeat":
			dst = avro.AppendBool(dst, o.Repeat)
		case "actor":
			dst = avro.AppendOptionalString(dst, o.Actor)
		}
	}
	return dst, nil
}

// DecodeOutcome returns the outcome in a record's value. The error is an *Undecodable or wraps
// schemas.ErrUnavailable.
func (a *Aggregate) DecodeOutcome(ctx context.Context, value []byte) (foldlog.Outcome, error) {
	in, err := a.outcomes.openSound(ctx, value)
	if err != nil {
		return foldlog.Outcome{}, err
	}
	defer in.parts.Release()
	o := foldlog.Outcome{Position: foldlog.Position{Aggregate: a.spec.Name}}
	for i, field := range a.outcomeLayout {
		v := in.parts.Values[i]
		switch field {
		case "command_id":
			o.CommandID = avro.ReadString(v)
		case "aggregate_id":
			o.AggregateID = avro.ReadString(v)
		case "command_type":
			o.CommandType = avro.ReadString(v)
		case "accepted":
			o.Accepted = v[0] == 1
		case "first_version":
			o.FirstVersion = avro.ReadLong(v)
		case "version":
			o.Version = avro.ReadLong(v)
		case "event_ids":
			o.EventIDs = avro.ReadStrings(v)
		case "code":
			o.Code = readOptionalString(v)
		case "message":
			o.Message = readOptionalString(v)
		case "field":
			o.Field = readOptionalString(v)
		case "recorded_at":
			o.RecordedAt = time.UnixMicro(avro.ReadLong(v)).UTC()
		case "correlation_id":
			o.CorrelationID = avro.ReadString(v)
		case "payload_hash":
			if hash := avro.ReadBytes(v); len(hash) > 0 {
				o.PayloadHash = bytes.Clone(hash)
			}
		case "command_partition":
			o.Position.Partition = int32(avro.ReadLong(v))
		case "command_offset":
			o.Position.Offset = avro.ReadLong(v)
		case "repeat":
			o.Repeat = v[0] == 1
		case "actor":
			if v = avro.ReadOptional(v); v != nil {
				o.Actor = shared(avro.ReadBytes(v), AnonymousActor)
			}
		}
	}
	return o, nil
}
