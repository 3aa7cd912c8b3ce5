package versions

import (
	"time"

	"github.com/foldlog/foldlog/topology"
)

// Stage says what happens to the version that does not serve.
//
// NB: must not change. Records in Kafka have it.
type Stage string

// Stages.
const (
	// Filling means that 'foldlog rebuild' runs the version, or was interrupted.
	Filling Stage = "filling"
	// Kept means that processors run the version, so that queries can be switched to it.
	Kept Stage = "kept"
)

// State says which version of a projection serves, and which one is beside it.
//
// NB: its JSON must not change. Records in Kafka have it.
type State struct {
	// Projection is the projection's name, the record's key.
	Projection string `json:"projection"`
	// Serving is the version that queries are answered from.
	Serving int `json:"serving"`
	// Other is the version beside it, or 0; Stage says what happens to it.
	Other int   `json:"other,omitempty"`
	Stage Stage `json:"stage,omitempty"`
	// At and By say when and by whom the state was written; they are empty if nobody wrote it.
	At time.Time `json:"at,omitzero"`
	By string    `json:"by,omitempty"`
}

// Live reports whether a version has topics that are being filled.
func (s State) Live(version int) bool { return version == s.Serving || version == s.Other }

// Runs reports whether processors run a version.
func (s State) Runs(version int) bool {
	return version == s.Serving || version == s.Other && s.Stage == Kept
}

// States are the states of projections by name.
type States map[string]State

// Live returns the part of a topology that is live.
func (all States) Live(t *topology.Topology) *topology.Topology {
	return t.With(func(p *topology.ProjectionSpec) bool { return all[p.Name].Live(p.Version) })
}
