package kit

import (
	"context"
	"fmt"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/topology"
)

// AggregateFold is the fold of the events of one aggregate, as far as they were read.
type AggregateFold struct {
	Version    int64
	RecordedAt time.Time
	Chain      [32]byte
	State      any
	// Rows are those of the projections that are keyed by the aggregate's id, in their order; nil
	// if there is none yet.
	Rows []any
	// Damaged says that events are missing or cannot be read, so that state and rows are not known.
	Damaged bool
	// OtherChain is a second value that the chain may have: the last event did not fit, and it is
	// not known whether it or its header is wrong.
	OtherChain *[32]byte
	// Matched has a bit for each table whose row was seen to be right while it could still change.
	Matched uint64
	// Cause is the command that the last event follows from; -1 if there is none.
	Cause int64
}

// AggregateFolds folds the events of one aggregate type: states, and the rows of the projections
// that are keyed by the aggregate's id. Table 0 is that of the states, the others follow.
type AggregateFolds struct {
	Spec        *topology.AggregateSpec
	Codec       *codecs.Aggregate
	Projections []*codecs.Projection
	// All has the aggregates by id.
	All *Shelf[*AggregateFold]
	// Count is how many aggregates there are.
	Count int64
}

// NewAggregateFolds returns no aggregates.
func NewAggregateFolds(c *Config, spec *topology.AggregateSpec, b *Budget) *AggregateFolds {
	f := &AggregateFolds{Spec: spec, Codec: c.Codecs.Aggregate(spec.Name)}
	for _, p := range Followers(c.Topology, spec.Name, false) {
		f.Projections = append(f.Projections, c.Codecs.Projection(p.ID()))
	}
	const extra = 512 // pointers, times, the domain's own values
	f.All = NewShelf(b, "aggregates", extra, f.encode, f.decode)
	return f
}

// Of returns the fold of an aggregate, or a new one. After a change it must be put again.
func (f *AggregateFolds) Of(id string) (*AggregateFold, error) {
	a, known, err := f.All.Get(id)
	if err == nil && !known {
		a = &AggregateFold{State: f.Spec.Decider.Initial(), Rows: make([]any, len(f.Projections)), Cause: -1}
		f.Count++
	}
	return a, err
}

// InSequence checks version and chain. It is false for an event that is there again, or too late.
func (f *AggregateFolds) InSequence(ctx context.Context, a *AggregateFold, e *LoggedEvent, found func(check Check, want, have string)) (bool, error) {
	version := e.Event.Version
	gap := version > a.Version+1
	if version != a.Version+1 {
		have := fmt.Sprintf("version %d", version)
		if version == a.Version {
			have += " again"
		}
		found(CheckVersion, fmt.Sprintf("version %d", a.Version+1), have)
		if !gap {
			return false, nil
		}
		a.Damaged = true
	}
	header := e.Record.Header(codecs.HeaderChain)
	link, err := f.Codec.Chain(ctx, a.Chain, e.Record.Value)
	if err != nil {
		return false, err // it was decoded, so its schema is known
	}
	right := string(header) == string(link[:])
	if !right && a.OtherChain != nil {
		other, err := f.Codec.Chain(ctx, *a.OtherChain, e.Record.Value)
		if err != nil {
			return false, err
		}
		right = string(header) == string(other[:])
	}
	a.OtherChain = nil
	if len(header) == len(a.Chain) {
		copy(a.Chain[:], header)
	} else {
		a.Chain = link
	}
	if !right && !gap { // after a gap it cannot fit
		found(CheckChain, "the chain "+ShortHash(link[:]), ShortHash(header))
		a.OtherChain = &link
	}
	a.Version = version
	return true, nil
}

// Evolve folds one more event into the state. It fails if the domain's code panics.
func (f *AggregateFolds) Evolve(a *AggregateFold, e foldlog.Event[any]) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%s's Evolve panicked: %v", f.Spec.Name, cause)
		}
	}()
	a.State = f.Spec.Decider.Evolve(a.State, e)
	return nil
}

// Row returns the row of table i; nil if there is none yet.
func (a *AggregateFold) Row(i int) any {
	switch {
	case i > 0:
		return a.Rows[i-1]
	case a.Version == 0:
		return nil
	}
	return a.StateRow()
}

// StateRow returns the row of the aggregate's table.
func (a *AggregateFold) StateRow() codecs.State {
	return codecs.State{Version: a.Version, RecordedAt: a.RecordedAt, Chain: a.Chain, Data: a.State}
}

// EncodeRow returns the row of table i as it is written; nil if there is none.
func (f *AggregateFolds) EncodeRow(a *AggregateFold, i int) ([]byte, error) {
	switch {
	case i == 0:
		return f.Codec.EncodeState(a.StateRow())
	case a.Rows[i-1] == nil:
		return nil, nil
	}
	return f.Projections[i-1].EncodeRow(a.Rows[i-1])
}
