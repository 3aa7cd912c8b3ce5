package topology

import (
	"fmt"
	"reflect"
)

// UpcastSpec is a declared step from an old form of a command, event, state or row to the next one.
// Make one with [Upcast].
type UpcastSpec struct {
	// Until is the last version of the topic's schema in which the record has the old form. The Go
	// type From fits the record of that version; older versions are read as it, by Avro's rules,
	// back to the version after the step before.
	Until int
	// From and To are the Go types of the old form and the next one.
	From, To reflect.Type
	// Func is the function with its types erased. It panics on a value of another type.
	Func func(any) any
}

// Upcast declares a pure function from the form that a record had up to that version of its topic's
// schema to the next form. Several are declared oldest first, and a record passes through those
// from its own form on: v1 -> v2 -> v3.
//
// It is for changes that a default or an alias in the schema cannot express: a value that is
// computed from others, or a field that was split.
func Upcast[Old, New any](until int, f func(Old) New) UpcastSpec {
	spec := UpcastSpec{Until: until, From: reflect.TypeFor[Old](), To: reflect.TypeFor[New]()}
	if f != nil { // Lint reports a missing function, so it must stay visible
		spec.Func = func(old any) any { return f(old.(Old)) }
	}
	return spec
}

// UpcastState returns the aggregate type with steps from old forms of its state. A process of the
// release before may have written the rows that this one finds.
func (a *AggregateSpec) UpcastState(upcasts ...UpcastSpec) *AggregateSpec {
	changed := *a
	changed.StateUpcasts = upcasts
	return &changed
}

// UpcastRow returns the projection with steps from old forms of its rows.
func (p *ProjectionSpec) UpcastRow(upcasts ...UpcastSpec) *ProjectionSpec {
	changed := *p
	changed.RowUpcasts = upcasts
	return &changed
}

// upcasts reports steps that do not lead from form to form up to the current type.
func (l *linter) upcasts(where, what string, current reflect.Type, steps []UpcastSpec) {
	add := func(i int, format string, args ...any) {
		l.add("bad-upcast", where, "%s, upcast %d: %s", what, i+1, fmt.Sprintf(format, args...))
	}
	for i, s := range steps {
		next := current
		if i+1 < len(steps) {
			next = steps[i+1].From
		}
		switch {
		case s.Func == nil:
			add(i, "needs a function")
		case s.From.Kind() != reflect.Struct:
			add(i, "the old form is a %s; it must be a struct", s.From)
		case s.To != next:
			add(i, "leads to %s, but %s comes next", s.To, next)
		case s.Until < 1 || i > 0 && s.Until <= steps[i-1].Until:
			add(i, "is until version %d; declare the steps oldest first, each until a later version", s.Until)
		}
	}
}
