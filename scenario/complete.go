package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"runtime"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

// Complete reports everything that a declared system lacks, one error for each thing:
//
//   - what 'foldlog lint' finds in the topology, in its schema files, and between Go types and
//     schemas;
//   - a command without a case in Decide, and an event without a case in Evolve or in a policy or
//     projection of its aggregate type;
//   - a policy that sends what is not declared;
//   - a record or field of the newest schemas that has no doc.
//
// Functions get made-up values. So it sees that a case is missing, and not that it is wrong.
func Complete(t TB, system *topology.Topology, files fs.FS) {
	t.Helper()
	for _, finding := range codecs.Lint(system, files) {
		t.Errorf("%s", finding)
	}
	for _, problem := range append(unhandled(system), undocumented(system, files)...) {
		t.Errorf("%s", problem)
	}
}

// unhandled returns the cases that the functions of a domain lack.
func unhandled(system *topology.Topology) (problems []string) {
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, a := range system.Aggregates {
		for _, command := range a.Commands {
			if cause := refusal(command.Type, func(data any) { decide(a, data) }); cause != nil {
				add("aggregate %s: Decide does not handle the command %s: %v", a.Name, command.Name, cause)
			}
		}
		for _, event := range a.Events {
			check := func(where string, f func(foldlog.Event[any])) {
				cause := refusal(event.Type, func(data any) {
					f(foldlog.Event[any]{Meta: newLog().command(), EventID: "event-1", Type: event.Name, Version: 1, Data: data})
				})
				if cause != nil {
					add("%s does not handle the event %s: %v", where, event.Name, cause)
				}
			}
			if a.Decider.Evolve != nil {
				check("aggregate "+a.Name+": Evolve", func(e foldlog.Event[any]) { a.Decider.Evolve(a.Decider.Initial(), e) })
			}
			for _, p := range system.Policies {
				if p.Source == a.Name && p.Policy.React != nil {
					check("policy "+p.Name, func(e foldlog.Event[any]) { react(system, p, e) })
				}
			}
			for _, p := range system.Projections {
				if p.Source == a.Name && p.Projection.Project != nil {
					check("projection "+p.ID(), func(e foldlog.Event[any]) { project(p, e) })
				}
			}
		}
	}
	return problems
}

func decide(a *topology.AggregateSpec, data any) {
	if a.Decider.Decide == nil {
		return
	}
	command := foldlog.Command[any]{Meta: newLog().command(), Data: data}
	if _, err := a.Decider.Decide(a.Decider.Initial(), command); err != nil {
		if _, refused := foldlog.AsRejection(err); !refused {
			panic(err)
		}
	}
}

func react(system *topology.Topology, p *topology.PolicySpec, event foldlog.Event[any]) {
	for _, send := range p.Policy.React(event) {
		target := system.Aggregate(send.Aggregate)
		if target == nil {
			panic(fmt.Sprintf("it sends to %q, which is not a declared aggregate", send.Aggregate))
		}
		if _, declared := target.CommandOf(send.Command); !declared {
			panic(fmt.Sprintf("it sends a %T, which is not a declared command of %s", send.Command, send.Aggregate))
		}
	}
}

// project leaves out Project if the key says that the event is of no interest, as the engine does.
func project(p *topology.ProjectionSpec, event foldlog.Event[any]) {
	if p.Rekeyed() && p.Projection.Key(event) == "" {
		return
	}
	p.Projection.Project(nil, event)
}

// refusal calls f with two values of the type: one with every field set, and the zero value. It
// returns the panic that occurs for both, or nil. A made-up value may also lead to an index out of
// range, or the like; that says nothing about f.
func refusal(typ reflect.Type, f func(data any)) (cause any) {
	call := func(data reflect.Value) (cause any) {
		defer func() {
			cause = recover()
			var mishap runtime.Error
			if err, ok := cause.(error); ok && errors.As(err, &mishap) {
				if _, assertion := cause.(*runtime.TypeAssertionError); !assertion {
					cause = nil
				}
			}
		}()
		f(data.Interface())
		return nil
	}
	if typ == nil {
		return nil // a finding of its own
	}
	filled := reflect.New(typ).Elem()
	fill(filled)
	if cause = call(filled); cause == nil {
		return nil
	}
	return call(reflect.Zero(typ))
}

// fill sets every field that JSON could set.
func fill(v reflect.Value) {
	switch {
	case !v.CanSet():
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(newLog().meta.RecordedAt))
	case v.CanInt():
		v.SetInt(1)
	case v.CanUint():
		v.SetUint(1)
	case v.CanFloat():
		v.SetFloat(1)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.String:
		v.SetString("x")
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	}
}

// undocumented returns the records and fields without a doc in the newest version of each schema.
func undocumented(system *topology.Topology, files fs.FS) (problems []string) {
	set, err := schemas.Load(files, system)
	if err != nil {
		return nil // findings of their own
	}
	seen := map[string]bool{} // topics share schemas
	for _, topic := range set.Topics() {
		latest := set.Latest(topic)
		text, err := fs.ReadFile(files, latest.File)
		var schema any
		if err != nil || seen[latest.File] || json.Unmarshal(text, &schema) != nil {
			continue // outcomes are not the domain's
		}
		seen[latest.File] = true
		withoutDoc(schema, func(what string) { problems = append(problems, latest.File+": "+what+" has no doc") })
	}
	return problems
}

// withoutDoc walks the JSON of a schema.
func withoutDoc(node any, report func(what string)) {
	switch node := node.(type) {
	case []any:
		for _, each := range node {
			withoutDoc(each, report)
		}
	case map[string]any:
		if doc, _ := node["doc"].(string); doc == "" && node["name"] != nil {
			what := "the field"
			if node["fields"] != nil {
				what = "the record"
			}
			report(fmt.Sprintf("%s %v", what, node["name"]))
		}
		for _, part := range []string{"fields", "type", "items", "values"} {
			withoutDoc(node[part], report)
		}
	}
}
