package views

import (
	"context"
	"sync/atomic"

	"github.com/foldlog/foldlog/internal/versions"
)

// projection has the tables of a projection's versions. Reads get the serving one, which changes in
// one step.
type projection struct {
	tables  map[int]*Table
	newest  *Table
	serving atomic.Pointer[Table]
	// recovered is signalled when a table may have become readable.
	recovered chan struct{}
}

// versionOf returns the projection of that name.
func (s *Set) versionOf(name string) *projection {
	p := s.projections[name]
	if p == nil {
		p = &projection{tables: map[int]*Table{}, recovered: make(chan struct{}, 1)}
		s.projections[name] = p
	}
	return p
}

// add adds a version; they come oldest first.
func (p *projection) add(t *Table) {
	p.tables[t.version], p.newest = t, t
	wake := t.replica.woken
	t.replica.woken = func() {
		wake()
		select {
		case p.recovered <- struct{}{}:
		default:
		}
	}
}

// begin makes the recorded version serve, or the newest if none is recorded.
func (p *projection) begin(state versions.State, known bool) {
	t := p.tables[state.Serving]
	if !known || t == nil {
		t = p.newest
	}
	p.serving.Store(t)
}

// stateOf returns the known state of a projection's versions.
func (s *Set) stateOf(name string) (versions.State, bool) {
	if s.config.Versions == nil {
		return versions.State{}, false
	}
	state, _ := s.config.Versions.State(name)
	return state, true
}

// replicate keeps a replica going until ctx ends, and that of a version only as long as it is live.
func (s *Set) replicate(ctx context.Context, r *replica) {
	if r.version == nil || s.config.Versions == nil {
		r.run(ctx)
		return
	}
	s.config.Versions.While(ctx, r.version.Name, func(state versions.State) bool { return state.Live(r.version.Version) }, r.run)
}

// follow switches reads to the version that is to serve, once it is recovered. Until then the one
// before goes on answering, as long as it can.
func (s *Set) follow(ctx context.Context, name string, p *projection) {
	if s.config.Versions == nil {
		return
	}
	for ctx.Err() == nil {
		state, changed := s.config.Versions.State(name)
		now, next := p.serving.Load(), p.tables[state.Serving]
		if next != nil && next != now && (next.replica.check() == nil || now.replica.check() != nil) {
			p.serving.Store(next)
			s.config.Logger.Info("another version of a projection serves", "projection", name, "version", next.version, "before", now.version)
			continue
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-p.recovered:
		}
	}
}
