package views

import (
	"context"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
)

// Moment is a point in an aggregate's history: behind the event of a version or, if Version is 0,
// behind the last event recorded at a time or before.
type Moment struct {
	Version int64
	At      time.Time
}

// has reports whether the event had happened.
func (m Moment) has(version int64, recordedAt time.Time) bool {
	if m.Version > 0 {
		return version <= m.Version
	}
	return !recordedAt.After(m.At)
}

// Past is an aggregate as it was at a moment.
type Past struct {
	// State has the form of a row in the aggregate's table.
	State codecs.State
	// Found is false if there was no such aggregate yet: before the first event, or at a version
	// that has not come.
	Found bool
	// Newest is the aggregate's newest version; 0 if it has no events.
	Newest int64
	// Position is contained in the answer.
	Position foldlog.Token
}

// AsOf returns an aggregate as it was at a moment: its events up to there, folded by its own
// Evolve. The cost grows with the number of events, the memory does not. AsOf panics if Evolve
// does, and fails as Page does.
func (h *History) AsOf(ctx context.Context, id string, m Moment, after foldlog.Token) (Past, error) {
	if err := h.awaitID(ctx, id, after); err != nil {
		return Past{}, err
	}
	decider := h.codec.Spec().Decider
	past := Past{State: codecs.State{Data: decider.Initial()}}
	for more := true; more; {
		// Earlier pages stay true: events are only added.
		raw, err := h.read(id, past.State.Version, MaxLimit)
		if err != nil {
			return Past{}, err
		}
		past.Newest, past.Position, more = raw.newest, raw.position, raw.more
		for _, r := range raw.events {
			event, err := h.decode(ctx, r)
			if err != nil {
				return Past{}, err
			}
			if !m.has(event.Version, event.RecordedAt) {
				more = false
				break
			}
			past.State.Version, past.State.RecordedAt = event.Version, event.RecordedAt
			past.State.Data = decider.Evolve(past.State.Data, event.Event)
			past.State.Chain = [32]byte{}
			copy(past.State.Chain[:], event.Chain)
		}
		if err := ctx.Err(); err != nil {
			return Past{}, err
		}
	}
	if past.State.Version == 0 || past.State.Version < m.Version {
		return Past{Newest: past.Newest, Position: past.Position}, nil
	}
	past.Found = true
	return past, h.asStored(ctx, &past.State)
}

// asStored gives a state the form that it would have if it came from the table. A schema may
// distinguish less than Go does: a nil list becomes an empty one, for instance.
func (h *History) asStored(ctx context.Context, state *codecs.State) error {
	value, err := h.codec.EncodeState(*state)
	if err == nil {
		*state, err = h.codec.DecodeState(ctx, value)
	}
	return err
}
