package views

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
)

// maxMissed ends the search for the commands that a policy sent because of an event. Their ids are
// numbered without a gap, but some of them may not have an outcome yet.
const maxMissed = 16

// tree hangs every command of a policy under its event, and returns the other commands. Events name
// the command that they follow from. The id of a policy's command is computed from its event and
// nothing else, so it proves which event the command follows from.
func (t *tracer) tree() []*TracedCommand {
	ordered := slices.SortedFunc(maps.Values(t.commands), byTime)
	byID := map[string][]*TracedCommand{}
	for _, c := range ordered {
		byID[c.CommandID] = append(byID[c.CommandID], c)
	}
	policies := t.policies()
	placed := map[*TracedCommand]bool{}
	for _, c := range ordered {
		slices.SortFunc(c.Events, func(a, b *TracedEvent) int { return cmp.Compare(a.Version, b.Version) })
		for _, e := range c.Events {
			for _, policy := range policies {
				for i, missed := 0, 0; missed < maxMissed; i++ {
					sent := byID[foldlog.PolicyCommandID(policy, e.EventID, i)]
					if sent == nil {
						missed++
					}
					for _, child := range sent {
						if !placed[child] {
							placed[child] = true
							child.Actor = codecs.PolicyActorPrefix + policy
							e.Commands = append(e.Commands, child)
						}
					}
				}
			}
			slices.SortStableFunc(e.Commands, byTime)
		}
	}
	return slices.DeleteFunc(ordered, func(c *TracedCommand) bool { return placed[c] })
}

// policies returns the names of all policies that may have sent something: the declared ones, and
// those that were declared when they did.
func (t *tracer) policies() []string {
	names := map[string]bool{}
	for _, p := range t.set.config.Topology.Policies {
		names[p.Name] = true
	}
	for _, c := range t.commands {
		if name, ok := strings.CutPrefix(c.Actor, codecs.PolicyActorPrefix); ok {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func byTime(a, b *TracedCommand) int {
	return cmp.Or(a.RecordedAt.Compare(b.RecordedAt), strings.Compare(a.Aggregate, b.Aggregate), strings.Compare(a.AggregateID, b.AggregateID),
		strings.Compare(a.CommandID, b.CommandID))
}
