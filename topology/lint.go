package topology

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
)

// Finding is one thing that is wrong with a topology.
type Finding struct {
	// Rule names the check, such as "duplicate-name".
	Rule string `json:"rule"`
	// Where names the declared part, such as "aggregate account".
	Where string `json:"where"`
	// Problem names the problem and the remedy.
	Problem string `json:"problem"`
}

func (f Finding) String() string { return fmt.Sprintf("%s: %s [%s]", f.Where, f.Problem, f.Rule) }

var (
	partName    = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	recordName  = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
	topicName   = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,100}$`)
	reserved    = []string{"views", "commands", "cloudevents", "traces"}
	maxNameSize = 100
	// eventsPath is the path of an aggregate's history over HTTP, beside its commands.
	eventsPath = "events"
)

// Lint returns everything that is wrong with the topology; none means that it can run.
func (t *Topology) Lint() []Finding {
	l := &linter{topology: t, groups: map[string]string{}}
	l.name("topology", "topology", t.Name)
	if len(t.Aggregates) == 0 {
		l.add("empty", "topology "+t.Name, "declares no aggregate; add one with topology.Aggregate")
	}
	for _, a := range t.Aggregates {
		l.aggregate(a)
	}
	for _, p := range t.Policies {
		l.policy(p)
	}
	for _, p := range t.Projections {
		l.projection(p)
	}
	return l.findings
}

type linter struct {
	topology *Topology
	findings []Finding
	groups   map[string]string // consumer group -> the part that declared it
}

func (l *linter) add(rule, where, format string, args ...any) {
	l.findings = append(l.findings, Finding{Rule: rule, Where: where, Problem: fmt.Sprintf(format, args...)})
}

func (l *linter) name(kind, where, name string) {
	if !partName.MatchString(name) || len(name) > maxNameSize {
		l.add("bad-name", where, "%s name %q: use lower case letters, digits and single hyphens, at most %d characters", kind, name, maxNameSize)
	}
}

func (l *linter) group(where, name string) {
	if other, taken := l.groups[name]; taken {
		l.add("duplicate-name", where, "has the name of %s; both would share the consumer group and table %q", other, name)
		return
	}
	l.groups[name] = where
}

func (l *linter) source(where, source string) {
	if l.topology.Aggregate(source) == nil {
		l.add("unknown-source", where, "reads the events of %q, which is not a declared aggregate", source)
	}
}

func (l *linter) aggregate(a *AggregateSpec) {
	where := "aggregate " + a.Name
	l.name("aggregate", where, a.Name)
	l.group(where, a.Name)
	if slices.Contains(reserved, a.Name) {
		l.add("reserved-name", where, "%q is taken by a path of the HTTP interface; choose another name", a.Name)
	}
	if a.Decider.Decide == nil || a.Decider.Evolve == nil {
		l.add("missing-function", where, "needs Decide and Evolve")
	}
	l.structType(where, "state", a.State)
	l.upcasts(where, "state", a.State, a.StateUpcasts)
	if len(a.Commands) == 0 {
		l.add("empty", where, "declares no command")
	}
	if len(a.Events) == 0 {
		l.add("empty", where, "declares no event")
	}
	names, types := map[string]bool{}, map[reflect.Type]string{}
	for _, c := range a.Commands {
		inner := where + ", command " + c.Name
		l.name("command", inner, c.Name)
		if c.Name == eventsPath {
			l.add("reserved-name", inner, "%q is taken by a path of the HTTP interface; choose another name", c.Name)
		}
		l.member(inner, c.Record(), c.Type, names, types)
		l.upcasts(inner, "payload", c.Type, c.Upcasts)
	}
	// Events share the Avro namespace with commands, so names must not repeat there either.
	types = map[reflect.Type]string{}
	for _, e := range a.Events {
		inner := where + ", event " + e.Name
		if !recordName.MatchString(e.Name) {
			l.add("bad-name", inner, "event name %q: use camel case, such as %q", e.Name, "AccountOpened")
		}
		l.member(inner, e.Name, e.Type, names, types)
		l.upcasts(inner, "payload", e.Type, e.Upcasts)
	}
}

func (l *linter) member(where, record string, typ reflect.Type, names map[string]bool, types map[reflect.Type]string) {
	if names[record] {
		l.add("duplicate-name", where, "is declared twice (Avro record %s)", record)
	}
	names[record] = true
	if other, taken := types[typ]; taken {
		l.add("duplicate-type", where, "has the Go type %s of %s; each needs its own", typ, other)
	}
	types[typ] = record
	l.structType(where, "payload", typ)
}

func (l *linter) structType(where, what string, typ reflect.Type) {
	if typ == nil || typ.Kind() != reflect.Struct {
		l.add("not-a-struct", where, "%s type %v: declare a struct, since its fields become Avro fields", what, typ)
	}
}

func (l *linter) policy(p *PolicySpec) {
	where := "policy " + p.Name
	l.name("policy", where, p.Name)
	l.group(where, p.Name)
	l.source(where, p.Source)
	if p.Policy.React == nil {
		l.add("missing-function", where, "needs React")
	}
	if len(p.Sends) == 0 {
		l.add("empty", where, "sends to no aggregate; name the aggregates it may send commands to")
	}
	for _, target := range p.Sends {
		if l.topology.Aggregate(target) == nil {
			l.add("unknown-target", where, "sends to %q, which is not a declared aggregate", target)
		}
	}
}

func (l *linter) projection(p *ProjectionSpec) {
	where := "projection " + p.title()
	l.name("projection", where, p.Name)
	l.group(where, p.ID())
	l.source(where, p.Source)
	l.version(where, p)
	l.structType(where, "row", p.Row)
	l.upcasts(where, "row", p.Row, p.RowUpcasts)
	if p.Projection.Project == nil {
		l.add("missing-function", where, "needs Project")
	}
}

// version reports versions that do not follow one upon the other.
func (l *linter) version(where string, p *ProjectionSpec) {
	add := func(format string, args ...any) { l.add("bad-version", where, format, args...) }
	if p.Version < 1 {
		add("is at version %d; versions count from 1", p.Version)
	}
	if b := p.Before; b != nil {
		switch {
		case b.Name != p.Name || b.Source != p.Source:
			add("is beside %s of the events of %q; declare an earlier version of the same projection of %q", b.title(), b.Source, p.Source)
		case b.Version != p.Version-1:
			add("is beside version %d; declare version %d there", b.Version, p.Version-1)
		case b.Before != nil:
			add("is beside two versions; drop version %d with 'foldlog rebuild %s --drop' first, and leave it out", b.Before.Version, p.Name)
		}
	}
	for _, other := range l.topology.Projections {
		if other.Name == p.Name && other.Version < p.Version && other != p.Before && (p.Before == nil || other != p.Before.Before) {
			add("is declared at version %d, too; declare that one with Beside", other.Version)
		}
	}
}
