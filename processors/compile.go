package processors

import (
	"context"
	"errors"
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

// group is a consumer group, and the version of a projection that it belongs to, if any.
type group struct {
	step.Group
	projection *topology.ProjectionSpec
}

func (c *compiler) groups() []group {
	var groups []group
	for _, a := range c.topology.Aggregates {
		groups = append(groups, group{Group: c.aggregate(a)})
	}
	for _, p := range c.topology.Policies {
		groups = append(groups, group{Group: c.policy(p)})
	}
	for _, p := range c.topology.Projections {
		groups = append(groups, c.versionOf(p)...)
	}
	return groups
}

// versionOf returns the groups of one version of a projection. The first one reads the events.
func (c *compiler) versionOf(p *topology.ProjectionSpec) []group {
	if p.Rekeyed() {
		return []group{{c.rekey(p), p}, {c.projection(p), p}}
	}
	return []group{{c.projection(p), p}}
}

func (c *compiler) group(name, input string) step.Group {
	return step.Group{Name: name, Input: input, Partitions: c.settings.Partitions, DeadLetters: c.names.DeadLetters(name)}
}

func (c *compiler) events(source string) events {
	return events{codec: c.codecs.Aggregate(source), partitions: c.settings.Partitions, unknownIDs: codecs.NewUnknownIDs()}
}

func (c *compiler) deadLetters(g step.Group) deadLetters {
	return deadLetters{group: g.Name, topic: g.DeadLetters, metrics: c.metrics, log: c.log}
}

func (c *compiler) aggregate(spec *topology.AggregateSpec) step.Group {
	codec := c.codecs.Aggregate(spec.Name)
	g := c.group(c.names.Group(spec.Name), c.names.Commands(spec.Name))
	handler := &aggregate{
		spec: spec, codec: codec, names: c.names, source: codecs.CloudEventSource(c.topology.Name, spec.Name), partitions: c.settings.Partitions,
		horizon: c.settings.Horizon, deadLetters: c.deadLetters(g), unknownIDs: codecs.NewUnknownIDs(), metrics: c.metrics, log: c.log,
	}
	g.Handle = handler.handle
	guard(&g, handler.deadLetters, nil)
	g.Outputs = []string{c.names.Events(spec.Name), c.names.Outcomes(spec.Name), c.names.Commands(spec.Name)}
	g.Table = &step.Table{Topic: c.names.Table(spec.Name), Decode: func(ctx context.Context, value []byte) (any, error) {
		return codec.DecodeState(ctx, value)
	}}
	g.ProgressTopic = g.Table.Topic
	g.Index = &step.Index{
		Topic: c.names.Outcomes(spec.Name),
		Read: func(ctx context.Context, r *record.Record) (step.IndexEntry, bool, error) {
			o, err := codec.DecodeOutcome(ctx, r.Value)
			if undecodable := (*codecs.Undecodable)(nil); errors.As(err, &undecodable) && !errors.Is(err, codecs.ErrNewerSchema) {
				c.log.Error("left out an outcome that no processor can have written", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
				return step.IndexEntry{}, false, nil
			}
			if err != nil || o.Repeat {
				return step.IndexEntry{}, false, err
			}
			return step.IndexEntry{Key: indexKey(o.AggregateID, o.CommandID), Value: o}, true, nil
		},
		Retain: func(e step.IndexEntry) bool {
			// An hour more than the horizon: decisions compare recorded times, and this compares
			// with a clock.
			return time.Since(e.Value.(foldlog.Outcome).RecordedAt) <= c.settings.Horizon+time.Hour
		},
	}
	return g
}

func (c *compiler) policy(spec *topology.PolicySpec) step.Group {
	g := c.group(c.names.Group(spec.Name), c.names.Events(spec.Source))
	handler := &policy{spec: spec, source: c.events(spec.Source), targets: map[string]*codecs.Aggregate{}, names: c.names, deadLetters: c.deadLetters(g)}
	for _, target := range spec.Sends {
		handler.targets[target] = c.codecs.Aggregate(target)
	}
	g.Handle = handler.handle
	guard(&g, handler.deadLetters, nil)
	g.Outputs = handler.outputs()
	return g
}

func (c *compiler) rekey(spec *topology.ProjectionSpec) step.Group {
	g := c.group(c.names.RekeyGroup(spec.ID()), c.names.Events(spec.Source))
	handler := &rekey{spec: spec, source: c.events(spec.Source), names: c.names, deadLetters: c.deadLetters(g)}
	g.Handle = handler.handle
	guard(&g, handler.deadLetters, progressOf)
	g.Outputs = []string{c.names.RekeyedTopic(spec.ID())}
	g.ProgressTopic = c.names.RekeyedTopic(spec.ID())
	return g
}

func (c *compiler) projection(spec *topology.ProjectionSpec) step.Group {
	input := c.names.Events(spec.Source)
	if spec.Rekeyed() {
		input = c.names.RekeyedTopic(spec.ID())
	}
	codec := c.codecs.Projection(spec.ID())
	g := c.group(c.names.Group(spec.ID()), input)
	handler := &projection{spec: spec, source: c.events(spec.Source), codec: codec, deadLetters: c.deadLetters(g)}
	g.Handle = handler.handle
	guard(&g, handler.deadLetters, progressOf)
	g.Table = &step.Table{Topic: c.names.Table(spec.ID()), Decode: codec.DecodeRow}
	g.ProgressTopic = g.Table.Topic
	return g
}
