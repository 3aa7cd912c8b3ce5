package topology

import (
	"reflect"
	"slices"

	"github.com/foldlog/foldlog"
)

// Topology is a declared system. Make one with [New].
type Topology struct {
	// Name is the system's name, such as "bank". Schema files live under it.
	Name       string
	Aggregates []*AggregateSpec
	Policies   []*PolicySpec
	// Projections has each version that is declared, an older one before the one that is beside it.
	Projections []*ProjectionSpec

	versioned bool // see Versioned
}

// AggregateSpec is a declared aggregate type.
type AggregateSpec struct {
	// Name is the aggregate type's name in topics and URLs: lower case, digits and "-".
	//
	// NB: must not change once data exists.
	Name     string
	Commands []CommandSpec
	Events   []EventSpec
	// State is the Go type of the state, and StateUpcasts the steps from its old forms, oldest
	// first.
	State        reflect.Type
	StateUpcasts []UpcastSpec
	// Decider is the domain's decider with its types erased. Its functions panic on a value of an
	// undeclared type.
	Decider foldlog.Decider[any, any, any]
}

// CommandSpec is a declared command type.
type CommandSpec struct {
	// Name is the command's name in messages and URLs, such as "confirm-debit". The Avro record is
	// named after it in camel case (ConfirmDebit).
	//
	// NB: must not change once data exists.
	Name string
	// Type is the Go struct, and Upcasts the steps from its old forms, oldest first.
	Type    reflect.Type
	Upcasts []UpcastSpec
	// Private commands are sent by policies alone: HTTP answers 404 for them.
	Private bool
}

// Internal returns the command marked as one that only policies send.
func (c CommandSpec) Internal() CommandSpec {
	c.Private = true
	return c
}

// Record returns the short name of the command's Avro record.
func (c CommandSpec) Record() string { return camelCase(c.Name) }

// EventSpec is a declared event type.
type EventSpec struct {
	// Name is the event's name and that of its Avro record, such as "Deposited".
	//
	// NB: must not change once data exists.
	Name string
	// Type is the Go struct, and Upcasts the steps from its old forms, oldest first.
	Type    reflect.Type
	Upcasts []UpcastSpec
}

// PolicySpec is a declared policy.
type PolicySpec struct {
	// Name names the consumer group. Ids of sent commands are derived from it.
	//
	// NB: must not change once data exists.
	Name string
	// Source is the aggregate type whose events it reacts to.
	Source string
	// Sends lists the aggregate types it may send commands to.
	Sends []string
	// Beginning makes a new policy react to all events there ever were, instead of those after its
	// first deployment.
	Beginning bool
	Policy    foldlog.Policy[any]
}

// FromBeginning returns the policy declared to react to old events, too, when it is deployed for
// the first time.
func (p *PolicySpec) FromBeginning() *PolicySpec {
	changed := *p
	changed.Beginning = true
	return &changed
}

// ProjectionSpec is one version of a declared projection.
type ProjectionSpec struct {
	// Name names the view. With Version it makes the ID.
	//
	// NB: must not change once data exists.
	Name string
	// Version is 1 unless [ProjectionSpec.AtVersion] says otherwise.
	//
	// NB: must not change once data exists.
	Version int
	// Before is the version that this one is to replace and is declared beside, or nil.
	Before *ProjectionSpec
	// Source is the aggregate type whose events it folds.
	Source string
	// Row is the Go type of a row, and RowUpcasts the steps from its old forms, oldest first.
	Row        reflect.Type
	RowUpcasts []UpcastSpec
	Projection foldlog.Projection[any, any]
}

// Rekeyed reports whether rows have a computed key, so that events travel through a topic of their
// own to their row's partition.
func (p *ProjectionSpec) Rekeyed() bool { return p.Projection.Key != nil }

// AtVersion returns the projection declared at a version, counted from 1. Another version has a
// table, a consumer group and a row schema of its own, filled from the first event on by 'foldlog
// rebuild': so Project, Key and the row may change in a way that old rows cannot follow.
func (p *ProjectionSpec) AtVersion(version int) *ProjectionSpec {
	changed := *p
	changed.Version = version
	return &changed
}

// Beside returns the projection with the version before declared beside it, as it was. That one
// serves until 'foldlog rebuild' has filled the new one and switched, and can serve again until it
// is dropped. Only then leave it out of the declaration.
func (p *ProjectionSpec) Beside(before *ProjectionSpec) *ProjectionSpec {
	changed := *p
	changed.Before = before
	return &changed
}

// Aggregate returns the declared aggregate type of that name, or nil.
func (t *Topology) Aggregate(name string) *AggregateSpec {
	spec, _ := find(t.Aggregates, func(a *AggregateSpec) bool { return a.Name == name })
	return spec
}

// Projection returns the newest declared version of the projection of that name, or nil.
func (t *Topology) Projection(name string) *ProjectionSpec {
	all := t.Versions(name)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// Versions returns the declared versions of the projection of that name, oldest first.
func (t *Topology) Versions(name string) []*ProjectionSpec {
	var all []*ProjectionSpec
	for _, p := range t.Projections {
		if p.Name == name {
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(a, b *ProjectionSpec) int { return a.Version - b.Version })
	return all
}

// Versioned reports whether any projection has, or had, more than one version, so that it must be
// known which one serves.
func (t *Topology) Versioned() bool {
	return t.versioned || slices.ContainsFunc(t.Projections, func(p *ProjectionSpec) bool { return p.Version != 1 || p.Before != nil })
}

// With returns the topology with some of its projections only.
func (t *Topology) With(projection func(*ProjectionSpec) bool) *Topology {
	changed := *t
	changed.versioned, changed.Projections = t.Versioned(), nil
	for _, p := range t.Projections {
		if projection(p) {
			changed.Projections = append(changed.Projections, p)
		}
	}
	return &changed
}

// Policy returns the declared policy of that name, or nil.
func (t *Topology) Policy(name string) *PolicySpec {
	spec, _ := find(t.Policies, func(p *PolicySpec) bool { return p.Name == name })
	return spec
}

// Command returns the aggregate's command of that name.
func (a *AggregateSpec) Command(name string) (CommandSpec, bool) {
	return find(a.Commands, func(c CommandSpec) bool { return c.Name == name })
}

// CommandOf returns the declared command whose Go type is that of the value.
func (a *AggregateSpec) CommandOf(value any) (CommandSpec, bool) {
	typ := reflect.TypeOf(value)
	return find(a.Commands, func(c CommandSpec) bool { return c.Type == typ })
}

// EventOf returns the declared event whose Go type is that of the value.
func (a *AggregateSpec) EventOf(value any) (EventSpec, bool) {
	typ := reflect.TypeOf(value)
	return find(a.Events, func(e EventSpec) bool { return e.Type == typ })
}

func find[T any](list []T, match func(T) bool) (found T, ok bool) {
	if i := slices.IndexFunc(list, match); i >= 0 {
		return list[i], true
	}
	return found, false
}
