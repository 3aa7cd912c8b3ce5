package replay

import (
	"context"
	"encoding/binary"
	"errors"
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
	rows       []any // of the projections that are keyed by the aggregate's id, in their order; nil where there is none yet
	// damaged says that events are missing or cannot be read, so that state and rows are not known.
	damaged bool
	// other is a second value that the chain may have, where the last event did not fit and it is not known whether it or its header is wrong.
	other *[32]byte
	// matched has a bit for each table whose row was seen to be right while it could still change.
	matched uint64
	cause   int64 // the command that the last event follows from
}

// folder folds the events of one aggregate type: its state, and the rows of the projections that are keyed by its id.
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
			f.projections = append(f.projections, r.config.Codecs.Projection(p.Name))
		}
	}
	f.all = newShelf(b, "aggregates", f.encode, f.decode)
	return f
}

// of returns what is known of an aggregate; new where nothing is. After a change it must be kept.
func (f *folder) of(id string) (*folded, error) {
	a, known, err := f.all.get(id)
	if err == nil && !known {
		a = &folded{state: f.spec.Decider.Initial(), rows: make([]any, len(f.projections)), cause: -1}
		f.count++
	}
	return a, err
}

// keep keeps what was changed. Sizes are measured now and then, since measuring is encoding.
func (f *folder) keep(id string, a *folded) error {
	if a.version&(a.version-1) != 0 {
		return f.all.put(id, a, 512)
	}
	size := 512 // about what Go needs beside the data; states in memory are larger than encoded ones
	if raw, err := f.encode(a); err == nil {
		size += 2 * len(raw)
	}
	return f.all.put(id, a, size)
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

// project returns the row after an event. Where the domain's code panics the row stays, since the processor sets the event aside.
func project(spec *topology.ProjectionSpec, row any, e foldlog.Event[any]) (after any) {
	defer func() {
		if recover() != nil {
			after = row
		}
	}()
	return spec.Projection.Project(row, e)
}

// keyOf returns the key of the row that an event changes, or "" where it changes none or the processor sets it aside.
func keyOf(spec *topology.ProjectionSpec, e foldlog.Event[any]) (key string) {
	defer func() {
		if recover() != nil {
			key = ""
		}
	}()
	if key = spec.Projection.Key(e); foldlog.CheckViewKey(key) != nil {
		return ""
	}
	return key
}

// encode returns what is spilled.
func (f *folder) encode(a *folded) ([]byte, error) {
	b := make([]byte, 0, 512)
	b = binary.AppendUvarint(b, uint64(a.version))
	b = binary.AppendVarint(b, a.cause)
	b = binary.AppendUvarint(b, a.matched)
	flags := byte(0)
	if a.damaged {
		flags |= 1
	}
	if a.other != nil {
		flags |= 2
	}
	if a.version > 0 && !a.damaged {
		flags |= 4
	}
	b = append(b, flags)
	b = binary.AppendVarint(b, a.recordedAt.UnixMicro())
	b = append(b, a.chain[:]...)
	if a.other != nil {
		b = append(b, a.other[:]...)
	}
	if flags&4 == 0 {
		return b, nil
	}
	state, err := f.codec.EncodeState(a.stateRow())
	if err != nil {
		return nil, err
	}
	b = appendPart(b, state)
	for i, row := range a.rows {
		var raw []byte
		if row != nil {
			if raw, err = f.projections[i].EncodeRow(row); err != nil {
				return nil, err
			}
		}
		b = appendPart(b, raw)
	}
	return b, nil
}

var errSpilled = errors.New("it is not what was written")

func (f *folder) decode(b []byte) (*folded, error) {
	a := &folded{state: f.spec.Decider.Initial(), rows: make([]any, len(f.projections))}
	version, n := binary.Uvarint(b)
	cause, m := binary.Varint(b[max(n, 0):])
	matched, k := binary.Uvarint(b[max(n, 0)+max(m, 0):])
	if n <= 0 || m <= 0 || k <= 0 {
		return nil, errSpilled
	}
	a.version, a.cause, a.matched, b = int64(version), cause, matched, b[n+m+k:]
	if len(b) < 1 {
		return nil, errSpilled
	}
	flags := b[0]
	micros, n := binary.Varint(b[1:])
	if n <= 0 || len(b) < 1+n+32 {
		return nil, errSpilled
	}
	a.recordedAt, a.damaged = time.UnixMicro(micros).UTC(), flags&1 != 0
	b = b[1+n:]
	b = b[copy(a.chain[:], b):]
	if flags&2 != 0 {
		a.other = new([32]byte)
		b = b[copy(a.other[:], b):]
	}
	if flags&4 == 0 {
		return a, nil
	}
	raw, b, ok := cutPart(b)
	if !ok {
		return nil, errSpilled
	}
	state, err := f.codec.DecodeState(context.Background(), raw) // the latest schema, which is known
	if err != nil {
		return nil, err
	}
	a.state = state.Data
	for i := range a.rows {
		if raw, b, ok = cutPart(b); !ok {
			return nil, errSpilled
		}
		if raw == nil {
			continue
		}
		if a.rows[i], err = f.projections[i].DecodeRow(context.Background(), raw); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// appendPart appends a length and bytes; nil is told from empty.
func appendPart(b, part []byte) []byte {
	if part == nil {
		return append(b, 0)
	}
	return append(binary.AppendUvarint(b, uint64(len(part))+1), part...)
}

func cutPart(b []byte) (part, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n)+1 {
		return nil, nil, false
	}
	if size == 0 {
		return nil, b[n:], true
	}
	end := n + int(size) - 1
	return b[n:end:end], b[end:], true
}

// isProgress reports whether a record of a table or re-keyed topic says how far the partition is.
func isProgress(key []byte) bool { return strings.HasPrefix(string(key), topology.ProgressPrefix) }
