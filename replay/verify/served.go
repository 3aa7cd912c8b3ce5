package verify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// DefaultSample is the default of [Served.Sample].
const DefaultSample = 1000

// Served asks a running system for its answers. Its functions are called by several goroutines.
type Served struct {
	// State and Row return the answer for an aggregate or a view's row, as of the token or later;
	// found is false if there is none.
	State func(ctx context.Context, aggregate, id string, after foldlog.Token) (a Answer, found bool, err error)
	Row   func(ctx context.Context, view, key string, after foldlog.Token) (a Answer, found bool, err error)
	// Sample is about how many rows of each table are asked for, spread over their keys; default
	// DefaultSample, and a negative number means all.
	Sample int
	// Serves reports whether a version of a projection is the one that is served; nil means that
	// all are. Rows of others are not asked for.
	Serves func(*topology.ProjectionSpec) bool
}

// Answer is the answer for a key.
type Answer struct {
	// Value is the state or row in JSON.
	Value json.RawMessage
	// Version is the state's.
	Version int64
	// Projection is the version of the projection that a row is of; 0 if that is not known.
	Projection int
	// Position is contained in the answer.
	Position foldlog.Token
}

// sampler chooses keys, spread evenly, for one partition of a table, and asks for them. Nil asks
// for none.
type sampler struct {
	run          *verification
	part         string // aggregate type or projection, for the report
	stride, seen int64
	newer        int64 // answers that contain more than what was read
}

// sample returns the sampler for so many rows.
func (v *verification) sample(part string, rows int64) *sampler {
	if v.served == nil {
		return nil
	}
	stride := int64(1)
	if v.served.Sample >= 0 {
		share := cmp.Or(v.served.Sample, DefaultSample) / v.kit.Config.Settings.Partitions
		stride = max(rows/int64(max(share, 1)), 1)
	}
	return &sampler{run: v, part: part, stride: stride}
}

// takes reports whether the next key is one to ask for.
func (s *sampler) takes() bool {
	if s == nil {
		return false
	}
	s.seen++
	return s.seen%s.stride == 0
}

// question is one row that is asked for.
type question struct {
	part, key string
	row       any                      // codecs.State for an aggregate
	version   *topology.ProjectionSpec // whose row it is; nil for an aggregate
	after     foldlog.Position
	// reached is, for each source partition, the last command whose effects were read.
	reached func(partition int32) int64
}

// ask compares the answer for a key with the folded row. If the answer contains later commands than
// were read, these may have changed it, so it is only counted.
func (s *sampler) ask(ctx context.Context, q question) error {
	served, found := s.run.served, s.run.found
	if q.version != nil && served.Serves != nil && !served.Serves(q.version) {
		return nil
	}
	call, what := served.Row, "view "+q.part
	state, isState := q.row.(codecs.State)
	want := q.row
	if isState {
		call, what, want = served.State, q.part, state.Data
	}
	answer, known, err := call(ctx, q.part, q.key, foldlog.Token{q.after})
	if err != nil {
		return fmt.Errorf("ask what is served: %w", err)
	}
	found.count(Report{Served: 1})
	f := kit.Finding{Check: kit.CheckView, Topic: "http", Partition: -1, Offset: -1, Part: q.part, Key: q.key, Want: describe(q.row), Have: "nothing served"}
	if !known {
		found.add(f)
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
	f.Have = kit.Clip(string(answer.Value))
	if isState {
		f.Version = state.Version
		f.Have = kit.Clip(fmt.Sprintf("version %d, %s", answer.Version, answer.Value))
	}
	found.add(f)
	return nil
}

// tell says how many answers could not be compared.
func (s *sampler) tell() {
	if s != nil && s.newer > 0 {
		s.run.found.unchecked("%s: %d answers contain more than what was read, since the system runs", s.part, s.newer)
	}
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
	return err == nil && reflect.DeepEqual(want, have), err
}

// numbered decodes JSON without rounding numbers.
func numbered(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value any
	err := d.Decode(&value)
	return value, err
}
