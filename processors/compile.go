package processors

import (
	"context"
	"log/slog"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/step"
	"github.com/foldlog/foldlog/topology"
)

// compiler turns the parts of a topology into consumer groups.
type compiler struct {
	topology *topology.Topology
	settings topology.Settings
	names    topology.Names
	codecs   *codecs.Codecs
	metrics  *metrics
	log      *slog.Logger
}

func (c *compiler) groups() []step.Group {
	var groups []step.Group
	for _, a := range c.topology.Aggregates {
		groups = append(groups, c.aggregate(a))
	}
	for _, p := range c.topology.Policies {
		groups = append(groups, c.policy(p))
	}
	for _, p := range c.topology.Projections {
		if p.Rekeyed() {
			groups = append(groups, c.rekey(p))
		}
		groups = append(groups, c.projection(p))
	}
	return groups
}

func (c *compiler) group(name, input string) step.Group {
	return step.Group{Name: name, Input: input, Partitions: c.settings.Partitions, DeadLetters: c.names.DeadLetters(name)}
}

func (c *compiler) aggregate(spec *topology.AggregateSpec) step.Group {
	codec := c.codecs.Aggregate(spec.Name)
	g := c.group(c.names.Group(spec.Name), c.names.Commands(spec.Name))
	handler := &aggregate{
		spec: spec, codec: codec, names: c.names, source: codecs.CloudEventSource(c.topology.Name, spec.Name), partitions: c.settings.Partitions,
		horizon: c.settings.Horizon, deadLetters: newDeadLetters(g.Name, c.names, c.metrics, c.log), metrics: c.metrics, log: c.log,
	}
	g.Handle = handler.handle
	g.Outputs = []string{c.names.Events(spec.Name), c.names.Outcomes(spec.Name), c.names.Commands(spec.Name)}
	g.Table = &step.Table{Topic: c.names.Table(spec.Name), Decode: func(ctx context.Context, value []byte) (any, error) {
		return codec.DecodeState(ctx, value)
	}}
	g.ProgressTopic = g.Table.Topic
	g.Index = &step.Index{
		Topic: c.names.Outcomes(spec.Name),
		Read: func(ctx context.Context, r *record.Record) (step.IndexEntry, bool, error) {
			o, err := codec.DecodeOutcome(ctx, r.Value)
			if err != nil || o.Repeat {
				return step.IndexEntry{}, false, err
			}
			return step.IndexEntry{Key: indexKey(o.AggregateID, o.CommandID), Value: o}, true, nil
		},
		Retain: func(e step.IndexEntry) bool {
			// An hour more than the horizon, since decisions compare recorded times and this compares with a clock.
			return time.Since(e.Value.(foldlog.Outcome).RecordedAt) <= c.settings.Horizon+time.Hour
		},
	}
	return g
}

func (c *compiler) policy(spec *topology.PolicySpec) step.Group {
	g := c.group(c.names.Group(spec.Name), c.names.Events(spec.Source))
	handler := &policy{
		spec: spec, source: c.codecs.Aggregate(spec.Source), targets: map[string]*codecs.Aggregate{}, names: c.names,
		deadLetters: newDeadLetters(g.Name, c.names, c.metrics, c.log),
	}
	for _, target := range spec.Sends {
		handler.targets[target] = c.codecs.Aggregate(target)
	}
	g.Handle = handler.handle
	g.Outputs = handler.outputs()
	return g
}

func (c *compiler) rekey(spec *topology.ProjectionSpec) step.Group {
	g := c.group(c.names.RekeyGroup(spec.Name), c.names.Events(spec.Source))
	handler := &rekey{
		spec: spec, source: c.codecs.Aggregate(spec.Source), names: c.names,
		deadLetters: newDeadLetters(g.Name, c.names, c.metrics, c.log),
	}
	g.Handle = handler.handle
	g.Outputs = []string{c.names.RekeyedTopic(spec.Name)}
	g.ProgressTopic = c.names.RekeyedTopic(spec.Name)
	return g
}

func (c *compiler) projection(spec *topology.ProjectionSpec) step.Group {
	input := c.names.Events(spec.Source)
	if spec.Rekeyed() {
		input = c.names.RekeyedTopic(spec.Name)
	}
	codec := c.codecs.Projection(spec.Name)
	g := c.group(c.names.Group(spec.Name), input)
	handler := &projection{
		spec: spec, source: c.codecs.Aggregate(spec.Source), codec: codec,
		deadLetters: newDeadLetters(g.Name, c.names, c.metrics, c.log),
	}
	g.Handle = handler.handle
	g.Table = &step.Table{Topic: c.names.Table(spec.Name), Decode: codec.DecodeRow}
	g.ProgressTopic = g.Table.Topic
	return g
}
