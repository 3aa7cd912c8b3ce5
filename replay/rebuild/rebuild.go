package rebuild

import (
	"context"
	"maps"
	"time"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/versions"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/replay/verify"
	"github.com/foldlog/foldlog/topology"
)

// Result is the result of [Run].
type Result struct {
	// State is the recorded state.
	State versions.State `json:"state"`
	// Filled is how many offsets of the events were filled, and Took how long it took, in
	// nanoseconds in JSON; both 0 if the version was filled before.
	Filled int64         `json:"filled"`
	Took   time.Duration `json:"took"`
	// Findings are rows of the new version that differ from the fold of their events; Total counts
	// all. A version that serves has none.
	Findings []kit.Finding `json:"findings"`
	Total    int64         `json:"total"`
	// Comparison is against the version that served.
	Comparison *Comparison `json:"comparison"`
	// Switched says that queries were switched.
	Switched bool `json:"switched"`
}

// Run fills the newest declared version of a projection from the first event on, beside the serving
// one, compares the two, and switches queries. An interrupted run is continued by the next; several
// that run at once share the work. The error wraps [ErrRefused] if the change is impossible, or if
// filled rows differ from the fold of their events. Then the findings are returned, too.
func Run(ctx context.Context, c Config) (done *Result, err error) {
	c.Reading.EnsureDefaults()
	if err := c.Reading.Validate(); err != nil {
		return nil, err
	}
	err = with(ctx, c, func(v *change) error {
		now, before := v.newest(), v.version(v.state.Serving)
		switch other := v.state.Other; {
		case now == before && len(v.declared) == 1 && other == 0:
			return refuse("version %d of %s is the only one: declare the changed projection with AtVersion(%d) and the one there is with Beside", now.Version, now.Name, now.Version+1)
		case now == before:
			return refuse("version %d of %s serves already; --back switches back to the one before, --drop deletes that one", now.Version, now.Name)
		case other != 0 && other != now.Version:
			return refuse("version %d of %s is still kept: 'foldlog rebuild %s --drop' deletes it", other, now.Name, now.Name)
		}
		result := &Result{Findings: []kit.Finding{}}
		if v.state.Stage != versions.Kept {
			if err := v.prepare(ctx, now); err != nil {
				return err
			}
			began := time.Now()
			if result.Filled, err = v.fill(ctx, now); err != nil {
				return err
			}
			result.Took = time.Since(began)
		}
		if err := v.check(ctx, before, now, result); err != nil {
			done = result
			return err
		}
		if v.state.Stage != versions.Kept {
			if err := v.write(ctx, versions.State{Serving: before.Version, Other: now.Version, Stage: versions.Kept}); err != nil {
				return err
			}
		}
		if !c.NoSwitch {
			if err := v.serve(ctx, now, before); err != nil {
				return err
			}
			result.Switched = true
		}
		result.State, done = v.state, result
		return nil
	})
	return done, err
}

// prepare makes the version's topics, and says that it is being filled, so that query servers
// follow it.
func (v *change) prepare(ctx context.Context, now *topology.ProjectionSpec) error {
	live := maps.Clone(v.states)
	filling := versions.State{Projection: now.Name, Serving: v.state.Serving, Other: now.Version, Stage: versions.Filling}
	live[now.Name] = filling
	if _, err := cluster.EnsureTopics(ctx, v.kit.Config.Cluster, live.Live(v.kit.Config.Topology), v.kit.Config.Settings); err != nil {
		return err
	}
	if v.state.Other == now.Version { // recorded by an earlier run
		return nil
	}
	return v.write(ctx, filling)
}

// check verifies the rows of both versions against the events, and compares the two versions.
func (v *change) check(ctx context.Context, before, now *topology.ProjectionSpec, done *Result) error {
	narrow := *v.kit.Config.Topology.With(func(p *topology.ProjectionSpec) bool { return p == now })
	narrow.Aggregates, narrow.Policies = []*topology.AggregateSpec{narrow.Aggregate(now.Source)}, nil
	config := v.kit.Config
	config.Topology, config.Progress = &narrow, v.config.Stage("verifying")
	report, err := verify.Run(ctx, config, nil)
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
