package codecs

import (
	"context"
	"fmt"
	"time"

	"github.com/foldlog/foldlog/internal/avro"
)

// State is an aggregate's row in its table: a cache of its folded events.
type State struct {
	// Version and RecordedAt are those of the last event.
	Version    int64
	RecordedAt time.Time
	// Chain is the last event's link in the hash chain.
	Chain [32]byte
	// Data is the domain's state, a value of the declared Go type.
	Data any
}

// EncodeState returns the value of a table record.
func (a *Aggregate) EncodeState(s State) ([]byte, error) {
	dst := avro.AppendPrefix(make([]byte, 0, 256), a.states.id)
	err := checkTime(s.RecordedAt)
	for _, field := range a.stateLayout {
		switch field {
		case "version":
			dst = avro.AppendLong(dst, s.Version)
		case "recorded_at":
			dst = avro.AppendLong(dst, s.RecordedAt.UnixMicro())
		case "chain":
			dst = avro.AppendBytes(dst, s.Chain[:])
		case "state":
			if err == nil {
				dst, err = a.state.binding.Append(dst, s.Data)
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("encode state of %s: %w", a.spec.Name, err)
	}
	return dst, nil
}

// DecodeState returns the row in a table record's value. The error is an *Undecodable or wraps
// schemas.ErrUnavailable.
func (a *Aggregate) DecodeState(ctx context.Context, value []byte) (State, error) {
	o, err := a.states.openSound(ctx, value)
	if err != nil {
		return State{}, err
	}
	defer o.parts.Release()
	var s State
	for i, field := range a.stateLayout {
		v := o.parts.Values[i]
		switch field {
		case "version":
			s.Version = avro.ReadLong(v)
		case "recorded_at":
			s.RecordedAt = time.UnixMicro(avro.ReadLong(v)).UTC()
		case "chain":
			chain := avro.ReadBytes(v)
			if len(chain) != len(s.Chain) {
				return State{}, &Undecodable{Raw: value, Cause: fmt.Errorf("chain has %d bytes, not %d", len(chain), len(s.Chain))}
			}
			copy(s.Chain[:], chain)
		case "state":
			if s.Data, err = o.slot(0).decode(v); err != nil {
				return State{}, &Undecodable{Raw: value, Cause: err}
			}
		}
	}
	return s, nil
}
