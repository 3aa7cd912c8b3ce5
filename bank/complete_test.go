package bank_test

import (
	"reflect"
	"testing"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
)

// A new event needs a case in Evolve and in every policy and projection of its aggregate, be it an
// empty one: their type switches are total, and what they do not know they panic on.
func TestEveryEventIsHandledEverywhere(t *testing.T) {
	top := bank.Topology()
	for _, a := range top.Aggregates {
		for _, spec := range a.Events {
			event := foldlog.Event[any]{
				Meta: foldlog.Meta{AggregateID: "x"}, EventID: "e", Type: spec.Name, Version: 1, Data: reflect.Zero(spec.Type).Interface(),
			}
			handled := func(where string, f func()) {
				t.Helper()
				defer func() {
					if cause := recover(); cause != nil {
						t.Errorf("%s does not handle %s: %v", where, spec.Name, cause)
					}
				}()
				f()
			}
			handled("Evolve of "+a.Name, func() { a.Decider.Evolve(a.Decider.Initial(), event) })
			for _, p := range top.Policies {
				if p.Source == a.Name {
					handled("policy "+p.Name, func() { p.Policy.React(event) })
				}
			}
			for _, p := range top.Projections {
				if p.Source != a.Name {
					continue
				}
				if p.Rekeyed() {
					handled("the key of projection "+p.Name, func() { p.Projection.Key(event) })
				}
				handled("projection "+p.Name, func() { p.Projection.Project(nil, event) })
			}
		}
	}
}
