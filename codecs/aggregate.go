package codecs

import (
	"context"
	"reflect"
	"slices"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

// Aggregate encodes and decodes the records of one aggregate type.
type Aggregate struct {
	spec *topology.AggregateSpec

	commands, events, states, outcomes *topic

	commandOf   map[string]*commandCodec
	commandType map[reflect.Type]*commandCodec
	eventAt     []*eventCodec // by branch
	eventType   map[reflect.Type]*eventCodec
	state       *slot

	// commandLayout has, in the order of the latest schema, which of schemas.CommandFields comes.
	commandLayout                           []int
	eventLayout, stateLayout, outcomeLayout layout
}

// commandCodec has a command in its present form.
type commandCodec struct {
	*slot
	spec   topology.CommandSpec
	branch int
	// forms are all forms that the command's record has had, oldest first; see canonicalForm.
	forms []commandForm
	// retired are the fields of the record that are copies; see settle.
	retired []retiredField
}

// eventCodec has an event in its present form.
type eventCodec struct {
	*slot
	spec   topology.EventSpec
	branch int
}

// layout has the fields of an envelope in the order of its latest schema.
type layout []string

func layoutOf(t *topic) layout {
	var l layout
	for i := range t.latest.Schema.Type.Fields {
		l = append(l, t.latest.Schema.Type.Fields[i].Name)
	}
	return l
}

// Spec returns the aggregate type's declaration.
func (a *Aggregate) Spec() *topology.AggregateSpec { return a.spec }

// Chain returns the link of the hash chain that follows previous for an event's value. It is the
// SHA-256 of the previous link, the fingerprint of the writer's schema, and the value without its
// prefix. The first link follows 32 zero bytes. The error is an *Undecodable or wraps
// schemas.ErrUnavailable.
func (a *Aggregate) Chain(ctx context.Context, previous [32]byte, value []byte) ([32]byte, error) {
	return a.events.chain(ctx, previous, value)
}

func (b *builder) aggregate(spec *topology.AggregateSpec) *Aggregate {
	names := topology.Names{}
	a := &Aggregate{
		spec:     spec,
		commands: b.topic(names.Commands(spec.Name)), events: b.topic(names.Events(spec.Name)),
		states: b.topic(names.Table(spec.Name)), outcomes: b.topic(names.Outcomes(spec.Name)),
		commandOf: map[string]*commandCodec{}, commandType: map[reflect.Type]*commandCodec{}, eventType: map[reflect.Type]*eventCodec{},
	}
	if a.commands == nil || a.events == nil || a.states == nil || a.outcomes == nil {
		return a
	}
	for _, name := range layoutOf(a.commands) {
		a.commandLayout = append(a.commandLayout, slices.IndexFunc(schemas.CommandFields, func(f schemas.EnvelopeField) bool { return f.Name == name }))
	}
	a.eventLayout = layoutOf(a.events)
	a.stateLayout, a.outcomeLayout = layoutOf(a.states), layoutOf(a.outcomes)
	where := "aggregate " + spec.Name
	b.bindCommands(a, where)
	b.bindEvents(a, where)
	b.bindState(a, where)
	return a
}

// branches returns the places of an envelope's data records, by their short names.
func branches(t *topic) map[string]place {
	index := map[string]place{}
	for i, branch := range t.latest.Schema.Type.Field("data").Type.Branches {
		index[branch.ShortName()] = place{field: "data", branch: i}
	}
	return index
}

var validator = reflect.TypeFor[foldlog.Validator]()

func (b *builder) bindCommands(a *Aggregate, where string) {
	index := branches(a.commands)
	for _, spec := range a.spec.Commands {
		at, ok := index[spec.Record()]
		if !ok {
			b.problem("%s: command %s has no record %s in the schema", where, spec.Name, spec.Record())
			continue
		}
		if spec.Type != nil && !spec.Type.Implements(validator) && reflect.PointerTo(spec.Type).Implements(validator) {
			b.problem("%s, command %s: Validate has a pointer receiver, but commands are passed as values, so it would never run", where, spec.Name)
		}
		c := &commandCodec{spec: spec, branch: at.branch}
		if c.slot = b.bind(a.commands, where+", command "+spec.Name, at, topology.MaxCommandBytes, spec.Type, spec.Upcasts); c.slot == nil {
			continue
		}
		var err error
		if c.forms, err = formsOf(a.commands, at, c.slot); err != nil {
			b.problem("%s, command %s: %w", where, spec.Name, err)
		}
		c.retired = retiredOf(a.commands, at, c.slot)
		a.commandOf[spec.Name], a.commandType[spec.Type] = c, c
	}
}

func (b *builder) bindEvents(a *Aggregate, where string) {
	index := branches(a.events)
	a.eventAt = make([]*eventCodec, len(index))
	for _, spec := range a.spec.Events {
		at, ok := index[spec.Name]
		if !ok {
			b.problem("%s: event %s has no record in the schema", where, spec.Name)
			continue
		}
		bound := b.bind(a.events, where+", event "+spec.Name, at, topology.MaxBatchBytes, spec.Type, spec.Upcasts)
		a.eventAt[at.branch] = &eventCodec{slot: bound, spec: spec, branch: at.branch}
		a.eventType[spec.Type] = a.eventAt[at.branch]
	}
}

func (b *builder) bindState(a *Aggregate, where string) {
	a.state = b.bind(a.states, where+", state", place{field: "state", branch: -1}, topology.MaxBatchBytes, a.spec.State, a.spec.StateUpcasts)
}
