package codecs

import (
	"context"
	"fmt"
	"time"
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
	dst := appendPrefix(make([]byte, 0, 256), a.states.id)
	err := checkTime(s.RecordedAt)
	for _, field := range a.stateLayout {
		switch field {
		case "version":
			dst = appendLong(dst, s.Version)
		case "recorded_at":
			dst = appendLong(dst, s.RecordedAt.UnixMicro())
		case "chain":
			dst = appendBytes(dst, s.Chain[:])
		case "state":
			if err == nil {
				dst, err = a.state.append(dst, s.Data)
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
	c, envelope, err := a.states.openSound(ctx, value)
	if err != nil {
		return State{}, err
	}
	defer c.release()
	var s State
	for i, field := range a.stateLayout {
		v := envelope.values[i]
		switch field {
		case "version":
			s.Version = readLong(v)
		case "recorded_at":
			s.RecordedAt = time.UnixMicro(readLong(v)).UTC()
		case "chain":
			chain := readBytes(v)
			if len(chain) != len(s.Chain) {
				return State{}, &Undecodable{Raw: value, Cause: fmt.Errorf("chain has %d bytes, not %d", len(chain), len(s.Chain))}
			}
			copy(s.Chain[:], chain)
		case "state":
			if s.Data, err = envelope.slot(0).decode(v); err != nil {
				return State{}, &Undecodable{Raw: value, Cause: err}
			}
		}
	}
	return s, nil
}
