package topology

import (
	"reflect"

	"github.com/foldlog/foldlog"
)

// Part is a part of a topology for [New]: the result of [Aggregate], [Policy] or [Projection].
type Part interface{ addTo(*Topology) }

// New returns the topology with the given parts. It checks nothing; [Topology.Lint] does.
func New(name string, parts ...Part) *Topology {
	t := &Topology{Name: name}
	for _, p := range parts {
		p.addTo(t)
	}
	return t
}

func (a *AggregateSpec) addTo(t *Topology) { t.Aggregates = append(t.Aggregates, a) }
func (p *PolicySpec) addTo(t *Topology)    { t.Policies = append(t.Policies, p) }
func (p *ProjectionSpec) addTo(t *Topology) {
	if p.Before != nil {
		p.Before.addTo(t)
	}
	t.Projections = append(t.Projections, p)
}

// Command declares the command type C under a name, with the steps from its old forms, oldest
// first.
func Command[C any](name string, upcasts ...UpcastSpec) CommandSpec {
	return CommandSpec{Name: name, Type: reflect.TypeFor[C](), Upcasts: upcasts}
}

// Event declares the event type E under a name, with the steps from its old forms, oldest first.
func Event[E any](name string, upcasts ...UpcastSpec) EventSpec {
	return EventSpec{Name: name, Type: reflect.TypeFor[E](), Upcasts: upcasts}
}

// Commands is a list of declared commands.
func Commands(list ...CommandSpec) []CommandSpec { return list }

// Events is a list of declared events.
func Events(list ...EventSpec) []EventSpec { return list }

// Aggregate declares an aggregate type with its commands and events.
func Aggregate[S, C, E any](name string, d foldlog.Decider[S, C, E], commands []CommandSpec, events []EventSpec) *AggregateSpec {
	spec := &AggregateSpec{Name: name, Commands: commands, Events: events, State: reflect.TypeFor[S]()}
	spec.Decider.Initial = func() any {
		if d.Initial == nil {
			var zero S
			return zero
		}
		return d.Initial()
	}
	if d.Decide != nil { // Lint reports a missing function, so it must stay visible
		spec.Decider.Decide = func(state any, c foldlog.Command[any]) ([]any, error) {
			decided, err := d.Decide(state.(S), foldlog.Command[C]{Meta: c.Meta, ExpectedVersion: c.ExpectedVersion, Data: c.Data.(C)})
			if err != nil {
				return nil, err
			}
			erased := make([]any, len(decided))
			for i, e := range decided {
				erased[i] = e
			}
			return erased, nil
		}
	}
	if d.Evolve != nil {
		spec.Decider.Evolve = func(state any, e foldlog.Event[any]) any { return d.Evolve(state.(S), typed[E](e)) }
	}
	return spec
}

// Policy declares a policy on the events of the aggregate type source, and which aggregate types it
// may send commands to.
func Policy[E any](name, source string, p foldlog.Policy[E], sends ...string) *PolicySpec {
	spec := &PolicySpec{Name: name, Source: source, Sends: sends}
	if p.React != nil {
		spec.Policy.React = func(e foldlog.Event[any]) []foldlog.Send { return p.React(typed[E](e)) }
	}
	return spec
}

// Projection declares a projection of the events of the aggregate type source, at version 1. See
// [ProjectionSpec.AtVersion] for how it changes.
func Projection[R, E any](name, source string, p foldlog.Projection[R, E]) *ProjectionSpec {
	spec := &ProjectionSpec{Name: name, Version: 1, Source: source, Row: reflect.TypeFor[R]()}
	if p.Project != nil {
		spec.Projection.Project = func(row any, e foldlog.Event[any]) any {
			before, _ := row.(R) // no row yet: the zero value
			return p.Project(before, typed[E](e))
		}
	}
	if p.Key != nil {
		spec.Projection.Key = func(e foldlog.Event[any]) string { return p.Key(typed[E](e)) }
	}
	return spec
}

func typed[E any](e foldlog.Event[any]) foldlog.Event[E] {
	return foldlog.Event[E]{Meta: e.Meta, EventID: e.EventID, Type: e.Type, Version: e.Version, Data: e.Data.(E)}
}
