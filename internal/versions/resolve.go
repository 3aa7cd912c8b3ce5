package versions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/topology"
)

// Resolved is the known state of the versions of all declared projections.
type Resolved struct {
	States States
	// Live is the topology with the live versions only.
	Live *topology.Topology

	next  int64   // where the topic goes on
	fresh []State // of projections that were never run; nobody has recorded them yet
}

// Resolve finds the state of every declared projection. The error wraps [cluster.ErrMismatch] if
// the serving version is not declared.
func Resolve(ctx context.Context, c cluster.Config, t *topology.Topology, names topology.Names) (*Resolved, error) {
	recorded, next, err := read(ctx, c, names.Versions())
	if err != nil {
		return nil, err
	}
	r := &Resolved{States: States{}, next: next}
	var undeclared []string
	for _, p := range t.Projections {
		if _, done := r.States[p.Name]; done {
			continue
		}
		declared := t.Versions(p.Name)
		s, known := recorded[p.Name]
		switch {
		case !known && len(declared) == 1 && declared[0].Version == 1:
			s = State{Projection: p.Name, Serving: 1}
		case !known:
			if s, err = unrecorded(ctx, c, names, declared); err != nil {
				return nil, err
			}
			if s.By != "" {
				r.fresh = append(r.fresh, s)
			}
		case !slices.ContainsFunc(declared, func(p *topology.ProjectionSpec) bool { return p.Version == s.Serving }):
			undeclared = append(undeclared, fmt.Sprintf("\n  projection %s: version %d serves, and version %d is declared: declare version %d, too, or switch with 'foldlog rebuild %s' "+
				"in a release that has both", p.Name, s.Serving, declared[len(declared)-1].Version, s.Serving, p.Name))
		}
		r.States[p.Name] = s
	}
	if len(undeclared) > 0 {
		return nil, fmt.Errorf("%w:%s", cluster.ErrMismatch, strings.Join(undeclared, ""))
	}
	r.Live = r.States.Live(t)
	return r, nil
}

// unrecorded returns the state of a projection without a record. The state of a new projection
// names the process that made it.
func unrecorded(ctx context.Context, c cluster.Config, names topology.Names, declared []*topology.ProjectionSpec) (State, error) {
	s := State{Projection: declared[0].Name}
	for _, p := range declared {
		run, err := wasRun(ctx, c, names, p)
		if err != nil {
			return s, err
		}
		if run {
			s.Serving = p.Version
			return s, nil
		}
	}
	s.Serving = declared[len(declared)-1].Version
	s.At, s.By = time.Now().UTC().Truncate(time.Microsecond), "first start"
	return s, nil
}

// wasRun reports whether a version has a table or its group has offsets.
func wasRun(ctx context.Context, c cluster.Config, names topology.Names, p *topology.ProjectionSpec) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client, err := client(c)
	if err != nil {
		return false, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	listed, err := admin.ListTopics(ctx, names.Table(p.ID()))
	if err != nil {
		return false, fmt.Errorf("find whether projection %s was run: %w", p.ID(), err)
	}
	if listed.Has(names.Table(p.ID())) {
		return true, nil
	}
	committed, err := admin.FetchOffsets(ctx, names.Group(p.ID()))
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return false, fmt.Errorf("find whether projection %s was run: %w", p.ID(), err)
	}
	handled := false
	committed.Each(func(o kadm.OffsetResponse) { handled = handled || o.At > 0 })
	return handled, nil
}

// Settle records the states of projections that were never run before. Call it once their topics
// exist.
func (r *Resolved) Settle(ctx context.Context, c cluster.Config, names topology.Names) error {
	for _, s := range r.fresh {
		if err := Write(ctx, c, names, s); err != nil {
			return err
		}
	}
	r.fresh = nil
	return nil
}
