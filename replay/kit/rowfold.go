package kit

import (
	"context"
	"strings"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/topology"
)

// RowFold is the fold of the events of one key of a projection, as far as they were read.
type RowFold struct {
	Row any // nil if there is none yet
	// Matched says that the table's row was seen to be right while it could still change.
	Matched bool
	Cause   foldlog.Position // of the last event
}

// RowFolds folds the events of a projection by the keys of its rows.
type RowFolds struct {
	Spec  *topology.ProjectionSpec
	Codec *codecs.Projection
	// All has the rows by key.
	All *Shelf[*RowFold]
	// Count is how many keys there are.
	Count int64
}

// NewRowFolds returns no rows.
func NewRowFolds(c *Config, spec *topology.ProjectionSpec, b *Budget) *RowFolds {
	f := &RowFolds{Spec: spec, Codec: c.Codecs.Projection(spec.ID())}
	const extra = 256 // pointers, the domain's own values
	f.All = NewShelf(b, "rows", extra, f.encode, f.decode)
	return f
}

// Of returns the row of a key, or a new one. After a change it must be put again.
func (f *RowFolds) Of(key string) (*RowFold, error) {
	row, known, err := f.All.Get(key)
	if err == nil && !known {
		row = &RowFold{}
		f.Count++
	}
	return row, err
}

// Fold folds an event into the row of a key.
func (f *RowFolds) Fold(key string, e foldlog.Event[any]) error {
	row, err := f.Of(key)
	if err != nil {
		return err
	}
	row.Row = Project(f.Spec, row.Row, e)
	return f.All.Put(key, row)
}

func (f *RowFolds) encode(r *RowFold) ([]byte, error) {
	matched := []byte(nil)
	if r.Matched {
		matched = []byte{}
	}
	b := appendPart(appendPart(nil, matched), []byte(r.Cause.String()))
	if r.Row == nil {
		return appendPart(b, nil), nil
	}
	raw, err := f.Codec.EncodeRow(r.Row)
	return appendPart(b, raw), err
}

func (f *RowFolds) decode(b []byte) (*RowFold, error) {
	s := spilled{rest: b}
	r := &RowFold{Matched: s.part() != nil}
	r.Cause, _ = foldlog.ParsePosition(string(s.part())) // none if nothing was folded
	raw := s.part()
	if raw == nil || s.short {
		return r, s.err()
	}
	row, err := f.Codec.DecodeRow(context.Background(), raw) // the latest schema, which is known
	r.Row = row
	return r, err
}

// Project returns the row after an event. If the domain's code panics the row stays, since the
// processor sets the event aside.
func Project(spec *topology.ProjectionSpec, row any, e foldlog.Event[any]) (after any) {
	defer func() {
		if recover() != nil {
			after = row
		}
	}()
	return spec.Projection.Project(row, e)
}

// KeyOf returns the key of the row that an event changes, or "" if it changes none or the processor
// sets it aside.
func KeyOf(spec *topology.ProjectionSpec, e foldlog.Event[any]) (key string) {
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

// IsProgress reports whether a record of a table or re-keyed topic says how far the partition is.
func IsProgress(key []byte) bool { return strings.HasPrefix(string(key), topology.ProgressPrefix) }
