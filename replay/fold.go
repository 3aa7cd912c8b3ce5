package replay

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/topology"
)

// folded is what the events of one aggregate lead to, as far as they were read.
type folded struct {
	version    int64
	recordedAt time.Time
	chain      [32]byte
	state      any
	// of the projections that are keyed by the aggregate's id, in their order; nil where there is
	// none yet
	rows []any
	// damaged says that events are missing or cannot be read, so that state and rows are not known.
	damaged bool
	// other is a second value that the chain may have, where the last event did not fit and it is
	// not known whether it or its header is wrong.
	other *[32]byte
	// matched has a bit for each table whose row was seen to be right while it could still change.
	matched uint64
	cause   int64 // the command that the last event follows from
}

// folder folds the events of one aggregate type: its state, and the rows of the projections that
// are keyed by its id.
type folder struct {
	spec        *topology.AggregateSpec
	codec       *codecs.Aggregate
	projections []*codecs.Projection
	all         *shelf[*folded]
	count       int64 // of aggregates
}

func newFolder(r *reading, spec *topology.AggregateSpec, b *budget) *folder {
	f := &folder{spec: spec, codec: r.config.Codecs.Aggregate(spec.Name)}
	for _, p := range r.config.Topology.Projections {
		if p.Source == spec.Name && !p.Rekeyed() {
			f.projections = append(f.projections, r.config.Codecs.Projection(p.ID()))
		}
	}
	f.all = newShelf(b, "aggregates", f.encode, f.decode)
	f.all.extra = 512 // pointers, times, the domain's own values
	return f
}

// of returns what is known of an aggregate; new where nothing is. After a change it must be put
// again.
func (f *folder) of(id string) (*folded, error) {
	a, known, err := f.all.get(id)
	if err == nil && !known {
		a = &folded{state: f.spec.Decider.Initial(), rows: make([]any, len(f.projections)), cause: -1}
		f.count++
	}
	return a, err
}

// inSequence checks version and chain. It is false for an event that is there again, or too late.
func (f *folder) inSequence(ctx context.Context, a *folded, e *happened, found func(check Check, want, have string)) (bool, error) {
	version := e.event.Version
	gap := version > a.version+1
	if version != a.version+1 {
		have := fmt.Sprintf("version %d", version)
		if version == a.version {
			have += " again"
		}
		found(CheckVersion, fmt.Sprintf("version %d", a.version+1), have)
		if !gap {
			return false, nil
		}
		a.damaged = true
	}
	header := e.place.Header(codecs.HeaderChain)
	link, err := f.codec.Chain(ctx, a.chain, e.place.Value)
	if err != nil {
		return false, err // it was decoded, so its schema is known
	}
	right := string(header) == string(link[:])
	if !right && a.other != nil {
		other, err := f.codec.Chain(ctx, *a.other, e.place.Value)
		if err != nil {
			return false, err
		}
		right = string(header) == string(other[:])
	}
	a.other = nil
	if len(header) == len(a.chain) {
		copy(a.chain[:], header)
	} else {
		a.chain = link
	}
	if !right && !gap { // after a gap it cannot fit
		found(CheckChain, "the chain "+short(link[:]), short(header))
		a.other = &link
	}
	a.version = version
	return true, nil
}

// evolve folds one more event into the state. It fails where the domain's code panics.
func (f *folder) evolve(a *folded, e foldlog.Event[any]) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%s's Evolve panicked: %v", f.spec.Name, cause)
		}
	}()
	a.state = f.spec.Decider.Evolve(a.state, e)
	return nil
}

// stateRow returns the row of the aggregate's table.
func (a *folded) stateRow() codecs.State {
	return codecs.State{Version: a.version, RecordedAt: a.recordedAt, Chain: a.chain, Data: a.state}
}

// project returns the row after an event. Where the domain's code panics the row stays, since the
// processor sets the event aside.
func project(spec *topology.ProjectionSpec, row any, e foldlog.Event[any]) (after any) {
	defer func() {
		if recover() != nil {
			after = row
		}
	}()
	return spec.Projection.Project(row, e)
}

// keyOf returns the key of the row that an event changes, or "" where it changes none or the
// processor sets it aside.
func keyOf(spec *topology.ProjectionSpec, e foldlog.Event[any]) (key string) {
	defer func() {
		if recover() != nil {
			key = ""
		}
	}()
	if key = spec.Projection.Key(e); key != "" && foldlog.CheckViewKey(key) != nil {
		return ""
	}
	return key
}

// isProgress reports whether a record of a table or re-keyed topic says how far the partition is.
func isProgress(key []byte) bool { return strings.HasPrefix(string(key), topology.ProgressPrefix) }
