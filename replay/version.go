package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/versions"
	"github.com/foldlog/foldlog/topology"
)

// ErrRefused is wrapped by errors about versions of projections that cannot be filled, served or
// dropped as things are. Nothing that serves was changed.
var ErrRefused = errors.New("refused")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// VersionConfig says of which projection a version is to be filled, served or dropped. Of [Config],
// Topology has every declared version.
type VersionConfig struct {
	Config
	Projection string
	// By is who does it, for the record.
	By string
	// Rate is how many events a second are filled by this process; 0 means as many as it can.
	Rate float64
	// DataDir is where the version's rows are kept while it is filled. It need not outlast the
	// process.
	DataDir string
	// NoSwitch leaves queries where they are.
	NoSwitch bool
	// Stage, where not nil, is told what begins, such as "filling", and returns what its progress
	// is told to.
	Stage func(what string) func(n, total int64)
}

// change is one change of a projection's versions.
type change struct {
	*reading
	config   VersionConfig
	declared []*topology.ProjectionSpec
	state    versions.State
	states   versions.States
}

// beginChange finds out how things are. The caller calls end.
func beginChange(ctx context.Context, c VersionConfig) (*change, error) {
	if c.Stage == nil {
		c.Stage = func(string) func(n, total int64) { return func(int64, int64) {} }
	}
	c.EnsureDefaults()
	if err := errors.Join(c.Settings.Validate(), c.Cluster.Validate()); err != nil {
		return nil, err
	}
	r, err := connect(c.Config)
	if err != nil {
		return nil, err
	}
	c.Config = r.config
	v := &change{reading: r, config: c, declared: c.Topology.Versions(c.Projection)}
	resolved, err := versions.Resolve(ctx, c.Cluster, c.Topology, r.names)
	if err == nil && len(v.declared) == 0 {
		err = refuse("there is no projection %q", c.Projection)
	}
	if err != nil {
		return nil, errors.Join(err, r.end())
	}
	v.states, v.state = resolved.States, resolved.States[c.Projection]
	return v, nil
}

// version returns a declared version, or nil.
func (v *change) version(number int) *topology.ProjectionSpec {
	for _, p := range v.declared {
		if p.Version == number {
			return p
		}
	}
	return nil
}

func (v *change) newest() *topology.ProjectionSpec { return v.declared[len(v.declared)-1] }

// stage begins a part of the work that has a progress of its own.
func (v *change) stage(what string, total int64) {
	v.reading.config.Progress, v.total = v.config.Stage(what), total
}

// write records a state.
func (v *change) write(ctx context.Context, s versions.State) error {
	s.Projection, s.At, s.By = v.config.Projection, time.Now().UTC().Truncate(time.Microsecond), v.config.By
	if err := versions.Write(ctx, v.config.Cluster, v.names, s); err != nil {
		return err
	}
	v.state, v.states[s.Projection] = s, s
	return nil
}

// Rebuilt is what [Rebuild] did and found.
type Rebuilt struct {
	// State is what is recorded now.
	State versions.State `json:"state"`
	// Filled is how many offsets of the events were filled, and Took how long it took, in
	// nanoseconds in JSON; both 0 where the version was filled before.
	Filled int64         `json:"filled"`
	Took   time.Duration `json:"took"`
	// Findings are where the new version's rows are not what the events lead to; Total counts all.
	// There are none in a version that serves.
	Findings []Finding `json:"findings"`
	Total    int64     `json:"total"`
	// Comparison is against the version that served.
	Comparison *Comparison `json:"comparison"`
	// Switched says that queries were switched.
	Switched bool `json:"switched"`
}

// Rebuild fills the newest declared version of a projection from the first event on, beside the one
// that serves, compares the two, and switches queries. It goes on where it was interrupted; several
// that run at once share the work. The error wraps [ErrRefused] where that cannot be, or where what
// was filled is not what the events lead to; then what was found is returned, too.
func Rebuild(ctx context.Context, c VersionConfig) (done *Rebuilt, err error) {
	c.EnsureDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	v, err := beginChange(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.end()) }()
	now, before := v.newest(), v.version(v.state.Serving)
	switch other := v.state.Other; {
	case now == before && len(v.declared) == 1 && other == 0:
		return nil, refuse("version %d of %s is the only one: declare the changed projection with AtVersion(%d) and the one there is with Beside", now.Version, now.Name, now.Version+1)
	case now == before:
		return nil, refuse("version %d of %s serves already; --back switches back to the one before, --drop deletes that one", now.Version, now.Name)
	case other != 0 && other != now.Version:
		return nil, refuse("version %d of %s is still kept: 'foldlog rebuild %s --drop' deletes it", other, now.Name, now.Name)
	}
	done = &Rebuilt{Findings: []Finding{}}
	if v.state.Stage != versions.Kept {
		if err := v.prepare(ctx, now); err != nil {
			return nil, err
		}
		began := time.Now()
		if done.Filled, err = v.fill(ctx, now); err != nil {
			return nil, err
		}
		done.Took = time.Since(began)
	}
	if err := v.check(ctx, before, now, done); err != nil {
		return done, err
	}
	if v.state.Stage != versions.Kept {
		if err := v.write(ctx, versions.State{Serving: before.Version, Other: now.Version, Stage: versions.Kept}); err != nil {
			return nil, err
		}
	}
	if !c.NoSwitch {
		if err := v.serve(ctx, now, before); err != nil {
			return nil, err
		}
		done.Switched = true
	}
	done.State = v.state
	return done, nil
}

// prepare makes the version's topics, and says that it is being filled, so that query servers
// follow it.
func (v *change) prepare(ctx context.Context, now *topology.ProjectionSpec) error {
	live := versions.States{}
	for name, s := range v.states {
		live[name] = s
	}
	filling := versions.State{Projection: now.Name, Serving: v.state.Serving, Other: now.Version, Stage: versions.Filling}
	live[now.Name] = filling
	if _, err := cluster.EnsureTopics(ctx, v.config.Cluster, live.Live(v.config.Topology), v.config.Settings); err != nil {
		return err
	}
	if v.state.Other == now.Version { // recorded by an earlier run
		return nil
	}
	return v.write(ctx, filling)
}

// check verifies the rows of both versions against the events, and compares what the two make of
// these.
func (v *change) check(ctx context.Context, before, now *topology.ProjectionSpec, done *Rebuilt) error {
	narrow := *v.config.Topology.With(func(p *topology.ProjectionSpec) bool { return p == now })
	narrow.Aggregates, narrow.Policies = []*topology.AggregateSpec{narrow.Aggregate(now.Source)}, nil
	config := v.config.Config
	config.Topology, config.Progress, config.Served = &narrow, v.config.Stage("verifying"), nil
	report, err := Verify(ctx, config)
	if err != nil {
		return err
	}
	done.Findings, done.Total = append(done.Findings, report.Findings...), report.Total
	v.stage("comparing", 0)
	if done.Comparison, err = v.compare(ctx, before, now); err != nil {
		return err
	}
	done.State = v.state
	if report.Total > 0 {
		return refuse("the events, or the rows of version %d, are not as they must be (%d findings): queries stay with version %d; what the findings mean is in docs/recovery.md, "+
			"and 'foldlog rebuild %s --drop' lets you begin anew", now.Version, report.Total, v.state.Serving, now.Name)
	}
	return nil
}

// serve switches queries to a version once the processors keep it up to date.
func (v *change) serve(ctx context.Context, next, before *topology.ProjectionSpec) error {
	if err := v.awaitProcessors(ctx, next, before); err != nil {
		return err
	}
	return v.write(ctx, versions.State{Serving: next.Version, Other: before.Version, Stage: versions.Kept})
}

// Back switches queries back to the version that served before, which was kept.
func Back(ctx context.Context, c VersionConfig) (s versions.State, err error) {
	v, err := beginChange(ctx, c)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, v.end()) }()
	s = v.state
	switch {
	case s.Other == 0:
		return s, refuse("there is no version of %s beside version %d, which serves", c.Projection, s.Serving)
	case s.Other > s.Serving:
		return s, refuse("version %d of %s serves, which is the older one; 'foldlog rebuild %s' switches to version %d", s.Serving, c.Projection, c.Projection, s.Other)
	case v.version(s.Other) == nil:
		return s, refuse("version %d of %s is not declared any more, so nobody has kept it up to date: run this in a release that has both", s.Other, c.Projection)
	}
	if err := v.serve(ctx, v.version(s.Other), v.version(s.Serving)); err != nil {
		return s, err
	}
	return v.state, nil
}
