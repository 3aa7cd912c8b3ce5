package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/topology"
)

// DefaultSample is the default of [Served.Sample].
const DefaultSample = 1000

// Served says how to ask a running system what it answers. Its functions are called by several
// goroutines.
type Served struct {
	// State and Row return what is answered for an aggregate or a view's row, as of the token or
	// later; found is false where there is none.
	State func(ctx context.Context, aggregate, id string, after foldlog.Token) (a Answer, found bool, err error)
	Row   func(ctx context.Context, view, key string, after foldlog.Token) (a Answer, found bool, err error)
	// Sample is about how many rows of each table are asked for, spread over their keys; default
	// DefaultSample, and a negative number means all.
	Sample int
	// Serves reports whether a version of a projection is the one that is served; nil means that
	// all are. Rows of others are not asked for.
	Serves func(*topology.ProjectionSpec) bool
}

// Answer is what is served for a key.
type Answer struct {
	// Value is the state or row in JSON.
	Value json.RawMessage
	// Version is the state's.
	Version int64
	// Projection is the version of the projection that a row is of; 0 where that is not known.
	Projection int
	// Position is what the answer contains.
	Position foldlog.Token
}

// sampler chooses keys, spread evenly, for one partition of a table.
type sampler struct {
	stride, seen int64
	newer        int64 // answers that contain more than what was read
}

// sample returns the sampler for so many rows, or nil where nothing is asked.
func (v *verification) sample(rows int64) *sampler {
	s := v.config.Served
	switch {
	case s == nil:
		return nil
	case s.Sample < 0:
		return &sampler{stride: 1}
	}
	share := int64(DefaultSample)
	if s.Sample > 0 {
		share = int64(s.Sample)
	}
	share = max(share/int64(v.config.Settings.Partitions), 1)
	return &sampler{stride: max(rows/share, 1)}
}

// takes reports whether the next key is one to ask for.
func (s *sampler) takes() bool {
	if s == nil {
		return false
	}
	s.seen++
	return s.seen%s.stride == 0
}

// asked is one row that is asked for.
type asked struct {
	part, key string
	row       any                      // codecs.State for an aggregate
	version   *topology.ProjectionSpec // whose row it is; nil for an aggregate
	after     foldlog.Position
	// reached is, for each source partition, the last command whose effects were read.
	reached func(partition int32) int64
}

// ask compares what is served for a key with the row that the events lead to. What the answer
// contains beyond what was read may have changed it, so then it is only counted.
func (v *verification) ask(ctx context.Context, s *sampler, q asked) error {
	if q.version != nil && v.config.Served.Serves != nil && !v.config.Served.Serves(q.version) {
		return nil
	}
	call, what := v.config.Served.Row, "view "+q.part
	state, isState := q.row.(codecs.State)
	want := q.row
	if isState {
		call, what, want = v.config.Served.State, q.part, state.Data
	}
	answer, found, err := call(ctx, q.part, q.key, foldlog.Token{q.after})
	if err != nil {
		return fmt.Errorf("ask what is served: %w", err)
	}
	v.count(func(r *Report) { r.Served++ })
	f := Finding{Check: CheckView, Topic: "http", Partition: -1, Offset: -1, Part: q.part, Key: q.key, Want: clip(describe(q.row)), Have: "nothing served"}
	if !found {
		v.find(f)
		return nil
	}
	// queries were switched meanwhile
	if q.version != nil && answer.Projection != 0 && answer.Projection != q.version.Version {
		s.newer++
		return nil
	}
	same, err := sameJSON(want, answer.Value)
	if err != nil {
		return fmt.Errorf("what is served for %s %q: %w", what, q.key, err)
	}
	if same && (!isState || answer.Version == state.Version) {
		return nil
	}
	for _, p := range answer.Position {
		if p.Aggregate == q.after.Aggregate && p.Offset > q.reached(p.Partition) {
			s.newer++
			return nil
		}
	}
	f.Have = clip(string(answer.Value))
	if isState {
		f.Version = state.Version
		f.Have = clip(fmt.Sprintf("version %d, %s", answer.Version, answer.Value))
	}
	v.find(f)
	return nil
}

// sameJSON reports whether a value has that form in JSON.
func sameJSON(value any, raw []byte) (bool, error) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return false, err
	}
	want, err := numbered(encoded)
	if err != nil {
		return false, err
	}
	have, err := numbered(raw)
	return err == nil && reflect.DeepEqual(want, have), errors.Join(err)
}

// numbered decodes JSON without rounding numbers.
func numbered(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value any
	err := d.Decode(&value)
	return value, err
}

// tellNewer says how many answers could not be compared.
func (v *verification) tellNewer(s *sampler, part string) {
	if s != nil && s.newer > 0 {
		v.unchecked("%s: %d answers contain more than what was read, since the system runs", part, s.newer)
	}
}
