package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/foldlog/foldlog/internal/versions"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// ErrRefused is wrapped by errors about versions of projections that cannot be filled, served or
// dropped as things are. Nothing that serves was changed.
var ErrRefused = errors.New("refused")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// Config says which projection a version is filled, served or dropped of.
type Config struct {
	// Reading says how the log is read. Its topology has every declared version.
	Reading    kit.Config
	Projection string
	// By names the person or program that makes the change, for the record.
	By string
	// Rate is how many events a second are filled by this process; 0 means as many as it can.
	Rate float64
	// DataDir keeps the version's rows while it is filled. It need not outlast the process.
	DataDir string
	// NoSwitch keeps queries on the version that serves now.
	NoSwitch bool
	// Stage, if not nil, is called when a stage begins, such as "filling". It returns a function
	// that is called with the stage's progress.
	Stage func(what string) func(n, total int64)
}

// change is one change of a projection's versions.
type change struct {
	kit      *kit.Reader
	log      *kit.Log
	config   Config
	declared []*topology.ProjectionSpec
	state    versions.State
	states   versions.States
}

// with finds out how things are, and does something about them.
func with(ctx context.Context, c Config, do func(*change) error) (err error) {
	if c.Stage == nil {
		c.Stage = func(string) func(n, total int64) { return func(int64, int64) {} }
	}
	c.Reading.EnsureDefaults()
	if err := errors.Join(c.Reading.Settings.Validate(), c.Reading.Cluster.Validate()); err != nil {
		return err
	}
	r, err := kit.Connect(c.Reading)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	resolved, err := versions.Resolve(ctx, c.Reading.Cluster, c.Reading.Topology, r.Names)
	if err != nil {
		return err
	}
	v := &change{kit: r, config: c, declared: c.Reading.Topology.Versions(c.Projection), states: resolved.States, state: resolved.States[c.Projection]}
	if len(v.declared) == 0 {
		return refuse("there is no projection %q", c.Projection)
	}
	return r.WithLog(func(log *kit.Log) error {
		v.log = log
		return do(v)
	})
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
	v.kit.Config.Progress, v.kit.Total = v.config.Stage(what), total
}

// write records a state.
func (v *change) write(ctx context.Context, s versions.State) error {
	s.Projection, s.At, s.By = v.config.Projection, time.Now().UTC().Truncate(time.Microsecond), v.config.By
	if err := versions.Write(ctx, v.kit.Config.Cluster, v.kit.Names, s); err != nil {
		return err
	}
	v.state, v.states[s.Projection] = s, s
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
func Back(ctx context.Context, c Config) (s versions.State, err error) {
	err = with(ctx, c, func(v *change) error {
		s = v.state
		switch {
		case s.Other == 0:
			return refuse("there is no version of %s beside version %d, which serves", c.Projection, s.Serving)
		case s.Other > s.Serving:
			return refuse("version %d of %s serves, which is the older one; 'foldlog rebuild %s' switches to version %d", s.Serving, c.Projection, c.Projection, s.Other)
		case v.version(s.Other) == nil:
			return refuse("version %d of %s is not declared any more, so nobody has kept it up to date: run this in a release that has both", s.Other, c.Projection)
		}
		err := v.serve(ctx, v.version(s.Other), v.version(s.Serving))
		s = v.state
		return err
	})
	return s, err
}
