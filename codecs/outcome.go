package codecs

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/foldlog/foldlog"
)

// EncodeOutcome returns the value of an outcome's record.
func (a *Aggregate) EncodeOutcome(o foldlog.Outcome) ([]byte, error) {
	dst := appendPrefix(make([]byte, 0, 384), a.outcomes.id)
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
		return nil, fmt.Errorf("encode outcome of command %q of %s %s: %w", clip(o.CommandID), a.spec.Name, o.AggregateID, err)
	}
	for _, field := range a.outcomeLayout {
		switch field {
		case "command_id":
			dst = appendString(dst, o.CommandID)
		case "aggregate_id":
			dst = appendString(dst, o.AggregateID)
		case "command_type":
			dst = appendString(dst, o.CommandType)
		case "accepted":
			dst = appendBool(dst, o.Accepted)
		case "first_version":
			dst = appendLong(dst, o.FirstVersion)
		case "version":
			dst = appendLong(dst, o.Version)
		case "event_ids":
			mark := len(dst)
			for _, id := range o.EventIDs {
				dst = appendString(dst, id)
			}
			dst = closeBlock(dst, mark, len(o.EventIDs))
		case "code":
			dst = appendOptionalString(dst, o.Code)
		case "message":
			dst = appendOptionalString(dst, o.Message)
		case "field":
			dst = appendOptionalString(dst, o.Field)
		case "recorded_at":
			dst = appendLong(dst, o.RecordedAt.UnixMicro())
		case "correlation_id":
			dst = appendString(dst, o.CorrelationID)
		case "payload_hash":
			dst = appendBytes(dst, o.PayloadHash)
		case "command_partition":
			dst = appendLong(dst, int64(o.Position.Partition))
		case "command_offset":
			dst = appendLong(dst, o.Position.Offset)
		case "repeat":
			dst = appendBool(dst, o.Repeat)
		case "actor":
			dst = appendOptionalString(dst, o.Actor)
		}
	}
	return dst, nil
}

// DecodeOutcome returns the outcome in a record's value. The error is an *Undecodable or wraps
// schemas.ErrUnavailable.
func (a *Aggregate) DecodeOutcome(ctx context.Context, value []byte) (foldlog.Outcome, error) {
	c, envelope, err := a.outcomes.openSound(ctx, value)
	if err != nil {
		return foldlog.Outcome{}, err
	}
	defer c.release()
	o := foldlog.Outcome{Position: foldlog.Position{Aggregate: a.spec.Name}}
	for i, field := range a.outcomeLayout {
		v := envelope.values[i]
		switch field {
		case "command_id":
			o.CommandID = readString(v)
		case "aggregate_id":
			o.AggregateID = readString(v)
		case "command_type":
			o.CommandType = readString(v)
		case "accepted":
			o.Accepted = v[0] == 1
		case "first_version":
			o.FirstVersion = readLong(v)
		case "version":
			o.Version = readLong(v)
		case "event_ids":
			o.EventIDs = readStrings(v)
		case "code":
			o.Code = readOptionalString(v)
		case "message":
			o.Message = readOptionalString(v)
		case "field":
			o.Field = readOptionalString(v)
		case "recorded_at":
			o.RecordedAt = time.UnixMicro(readLong(v)).UTC()
		case "correlation_id":
			o.CorrelationID = readString(v)
		case "payload_hash":
			if hash := readBytes(v); len(hash) > 0 {
				o.PayloadHash = bytes.Clone(hash)
			}
		case "command_partition":
			o.Position.Partition = int32(readLong(v))
		case "command_offset":
			o.Position.Offset = readLong(v)
		case "repeat":
			o.Repeat = v[0] == 1
		case "actor":
			if v = readOptional(v); v != nil {
				o.Actor = shared(readBytes(v), AnonymousActor)
			}
		}
	}
	return o, nil
}

// readStrings reads a canonical array of strings.
func readStrings(b []byte) []string {
	n, size := binary.Varint(b)
	if n == 0 {
		return nil
	}
	b = b[size:]
	list := make([]string, 0, n)
	for range n {
		length, size := binary.Varint(b)
		end := size + int(length)
		list = append(list, string(b[size:end]))
		b = b[end:]
	}
	return list
}
