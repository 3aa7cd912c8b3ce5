package topology

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Describe returns the topology as text: parts in declared order, then topics with their settings.
// The same topology and settings always give the same text.
func (t *Topology) Describe(s Settings) string {
	s.EnsureDefaults()
	n := s.Names()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("topology %s", t.Name)
	for _, a := range t.Aggregates {
		line("\naggregate %s", a.Name)
		line("  consumes  %s", n.Commands(a.Name))
		line("  produces  %s, %s", n.Events(a.Name), n.Outcomes(a.Name))
		line("  table     %s", n.Table(a.Name))
		line("  commands  %s", join(a.Commands, func(c CommandSpec) string {
			if c.Private {
				return c.Name + " (internal)"
			}
			return c.Name
		}))
		line("  events    %s", join(a.Events, func(e EventSpec) string { return e.Name }))
	}
	for _, p := range t.Policies {
		line("\npolicy %s", p.Name)
		line("  consumes  %s%s", n.Events(p.Source), map[bool]string{true: ", from the beginning"}[p.Beginning])
		line("  produces  %s", join(p.Sends, n.Commands))
	}
	for _, p := range t.Projections {
		line("\nprojection %s", p.title())
		line("  consumes  %s", n.Events(p.Source))
		if p.Rekeyed() {
			line("  rekeys    %s, by consumer group %s", n.RekeyedTopic(p.ID()), n.RekeyGroup(p.ID()))
		}
		line("  table     %s", n.Table(p.ID()))
		line("  view      /v1/views/%s", p.Name)
	}
	topics := t.Topics(s)
	line("\ntopics: %d, each with %d partitions, replication factor %d", len(topics), s.Partitions, s.ReplicationFactor)
	for _, topic := range topics {
		line("  %s", topic.Name)
		if topic.Partitions != s.Partitions {
			line("    partitions=%d", topic.Partitions)
		}
		for _, key := range slices.Sorted(maps.Keys(topic.Config)) {
			line("    %s=%s", key, topic.Config[key])
		}
	}
	return b.String()
}

// Mermaid returns the topology as a Mermaid flowchart: parts as boxes, topics between them as
// cylinders.
func (t *Topology) Mermaid(s Settings) string {
	n := s.Names()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	id := func(name string) string { return strings.NewReplacer(".", "_", "-", "_").Replace(name) }
	topic := func(name string) { line("  %s[(%s)]", id("t_"+name), name) }
	arrow := func(from, to string) { line("  %s --> %s", id(from), id(to)) }
	line("flowchart LR")
	for _, a := range t.Aggregates {
		for _, name := range []string{n.Commands(a.Name), n.Events(a.Name), n.Outcomes(a.Name)} {
			topic(name)
		}
		line("  %s[aggregate %s]", id("p_"+a.Name), a.Name)
		arrow("t_"+n.Commands(a.Name), "p_"+a.Name)
		arrow("p_"+a.Name, "t_"+n.Events(a.Name))
		arrow("p_"+a.Name, "t_"+n.Outcomes(a.Name))
	}
	for _, p := range t.Policies {
		line("  %s[policy %s]", id("p_"+p.Name), p.Name)
		arrow("t_"+n.Events(p.Source), "p_"+p.Name)
		for _, target := range p.Sends {
			arrow("p_"+p.Name, "t_"+n.Commands(target))
		}
	}
	for _, p := range t.Projections {
		line("  %s[projection %s]", id("p_"+p.ID()), p.title())
		from := "t_" + n.Events(p.Source)
		if p.Rekeyed() {
			topic(n.RekeyedTopic(p.ID()))
			arrow(from, "t_"+n.RekeyedTopic(p.ID()))
			from = "t_" + n.RekeyedTopic(p.ID())
		}
		arrow(from, "p_"+p.ID())
		line("  %s([view %s])", id("v_"+p.Name), p.Name)
		arrow("p_"+p.ID(), "v_"+p.Name)
	}
	return b.String()
}

// JSON returns the topology with its topics as an indented JSON document.
func (t *Topology) JSON(s Settings) ([]byte, error) {
	s.EnsureDefaults()
	type command struct {
		Name     string `json:"name"`
		Internal bool   `json:"internal"`
	}
	type aggregate struct {
		Name     string    `json:"name"`
		Commands []command `json:"commands"`
		Events   []string  `json:"events"`
	}
	type policy struct {
		Name      string   `json:"name"`
		Source    string   `json:"source"`
		Sends     []string `json:"sends"`
		Beginning bool     `json:"from_beginning"`
	}
	type projection struct {
		Name    string `json:"name"`
		Source  string `json:"source"`
		Rekeyed bool   `json:"rekeyed"`
		Version int    `json:"version,omitempty"` // from 2 on
	}
	doc := struct {
		Name        string       `json:"name"`
		Aggregates  []aggregate  `json:"aggregates"`
		Policies    []policy     `json:"policies"`
		Projections []projection `json:"projections"`
		Topics      []Topic      `json:"topics"`
	}{Name: t.Name, Aggregates: []aggregate{}, Policies: []policy{}, Projections: []projection{}, Topics: t.Topics(s)}
	for _, a := range t.Aggregates {
		entry := aggregate{Name: a.Name}
		for _, c := range a.Commands {
			entry.Commands = append(entry.Commands, command{c.Name, c.Private})
		}
		for _, e := range a.Events {
			entry.Events = append(entry.Events, e.Name)
		}
		doc.Aggregates = append(doc.Aggregates, entry)
	}
	for _, p := range t.Policies {
		doc.Policies = append(doc.Policies, policy{p.Name, p.Source, p.Sends, p.Beginning})
	}
	for _, p := range t.Projections {
		entry := projection{Name: p.Name, Source: p.Source, Rekeyed: p.Rekeyed()}
		if p.Version > 1 {
			entry.Version = p.Version
		}
		doc.Projections = append(doc.Projections, entry)
	}
	return json.MarshalIndent(doc, "", "  ")
}

// title is how a version is spoken of: its name, and from version 2 on the version.
func (p *ProjectionSpec) title() string {
	if p.Version == 1 {
		return p.Name
	}
	return fmt.Sprintf("%s, version %d", p.Name, p.Version)
}

func join[T any](list []T, text func(T) string) string {
	texts := make([]string, len(list))
	for i, item := range list {
		texts[i] = text(item)
	}
	return strings.Join(texts, ", ")
}
