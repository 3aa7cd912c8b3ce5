package codecs

import (
	"context"
	"reflect"

	"github.com/hamba/avro/v2"

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
	state       *binding

	commandLayout, eventLayout, stateLayout, outcomeLayout layout
}

type commandCodec struct {
	*binding
	spec   topology.CommandSpec
	branch int
}

type eventCodec struct {
	*binding
	spec   topology.EventSpec
	branch int
}

// layout has the fields of an envelope in the order of its latest schema.
type layout []string

func layoutOf(t *topic) layout {
	var l layout
	for i := range t.latest.Type.Fields {
		l = append(l, t.latest.Type.Fields[i].Name)
	}
	return l
}

// Spec returns the aggregate type's declaration.
func (a *Aggregate) Spec() *topology.AggregateSpec { return a.spec }

// Chain returns the link of the hash chain that follows previous for an event's value: SHA-256 of the previous link, the fingerprint of
// the schema that the value was written with, and the value without its prefix. The first link follows 32 zero bytes. The
// error is an *Undecodable or wraps schemas.ErrUnavailable.
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
	a.commandLayout, a.eventLayout = layoutOf(a.commands), layoutOf(a.events)
	a.stateLayout, a.outcomeLayout = layoutOf(a.states), layoutOf(a.outcomes)
	where := "aggregate " + spec.Name
	b.bindCommands(a, where)
	b.bindEvents(a, where)
	b.bindState(a, where)
	return a
}

// branches returns the records of an envelope's data by their short names, for the schema and for the library.
func (b *builder) branches(t *topic, where string) (map[string]int, []*schemas.Type, []avro.Schema) {
	parsed, err := parseAvro(t.latest)
	if err != nil {
		b.problem("%s: %s: %w", where, t.base, err)
		return nil, nil, nil
	}
	index := map[string]int{}
	types := t.latest.Type.Field("data").Type.Branches
	for i, branch := range types {
		index[branch.ShortName()] = i
	}
	for _, f := range parsed.(*avro.RecordSchema).Fields() {
		if f.Name() == "data" {
			return index, types, f.Type().(*avro.UnionSchema).Types()
		}
	}
	return nil, nil, nil
}

var validator = reflect.TypeFor[foldlog.Validator]()

func (b *builder) bindCommands(a *Aggregate, where string) {
	index, types, avroTypes := b.branches(a.commands, where)
	if index == nil {
		return
	}
	api := newAPI(topology.MaxCommandBytes)
	for _, spec := range a.spec.Commands {
		i, ok := index[spec.Record()]
		if !ok {
			b.problem("%s: command %s has no record %s in the schema", where, spec.Name, spec.Record())
			continue
		}
		if spec.Type != nil && !spec.Type.Implements(validator) && reflect.PointerTo(spec.Type).Implements(validator) {
			b.problem("%s, command %s: Validate has a pointer receiver, but commands are passed as values, so it would never run", where, spec.Name)
		}
		bound := b.bind(where+", command "+spec.Name, api, avroTypes[i], types[i], spec.Type)
		c := &commandCodec{binding: bound, spec: spec, branch: i}
		a.commandOf[spec.Name], a.commandType[spec.Type] = c, c
	}
}

func (b *builder) bindEvents(a *Aggregate, where string) {
	index, types, avroTypes := b.branches(a.events, where)
	if index == nil {
		return
	}
	api := newAPI(topology.MaxBatchBytes)
	a.eventAt = make([]*eventCodec, len(types))
	for _, spec := range a.spec.Events {
		i, ok := index[spec.Name]
		if !ok {
			b.problem("%s: event %s has no record in the schema", where, spec.Name)
			continue
		}
		bound := b.bind(where+", event "+spec.Name, api, avroTypes[i], types[i], spec.Type)
		a.eventAt[i] = &eventCodec{binding: bound, spec: spec, branch: i}
		a.eventType[spec.Type] = a.eventAt[i]
	}
}

func (b *builder) bindState(a *Aggregate, where string) {
	parsed, err := parseAvro(a.states.latest)
	if err != nil {
		b.problem("%s: %w", where, err)
		return
	}
	for _, f := range parsed.(*avro.RecordSchema).Fields() {
		if f.Name() == "state" {
			a.state = b.bind(where+", state", newAPI(topology.MaxBatchBytes), f.Type(), a.states.latest.Type.Field("state").Type, a.spec.State)
		}
	}
}

func (b *builder) bind(where string, api avro.API, schema avro.Schema, record *schemas.Type, typ reflect.Type) *binding {
	for _, problem := range matchFields(where, typ, record) {
		b.problem("%s", problem)
	}
	bound, err := newBinding(api, schema, record, typ)
	if err != nil {
		b.problem("%s: %w", where, err)
	}
	return bound
}
