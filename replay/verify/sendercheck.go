package verify

import (
	"fmt"
	"strings"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// mostSends is more commands than a policy sends for one event.
const mostSends = 1000

// checkSender checks that a private command that led to events was sent by a policy: its id must
// follow from the policy and the event that caused it. Anyone who may write to the topic of
// commands can send such a command, and can compute such an id, too. So this finds who does not
// know the rule; the topic's ACLs keep out who does.
func (c *partitionCheck) checkSender(m *moment) {
	command := m.command
	if command == nil || !command.Spec.Private {
		return
	}
	name, ofPolicy := strings.CutPrefix(command.Actor, codecs.PolicyActorPrefix)
	if ofPolicy && c.policy(name) == nil {
		c.ofFormer++
		return
	}
	if ofPolicy && command.CausationID != "" {
		for i := range mostSends {
			if foldlog.PolicyCommandID(name, command.CausationID, i) == command.CommandID {
				return
			}
		}
	}
	c.found.add(kit.At(&m.record, c.spec.Name).Says(kit.CheckSender,
		fmt.Sprintf("a %s to be sent by a policy, under the id that follows from the event that caused it", command.Type),
		fmt.Sprintf("command %q of actor %q, caused by %q", command.CommandID, command.Actor, command.CausationID)))
}

// policy returns the declared policy of that name that sends to this aggregate type, or nil.
func (c *partitionCheck) policy(name string) *topology.PolicySpec {
	for _, p := range c.run.kit.Config.Topology.Policies {
		if p.Name == name {
			for _, target := range p.Sends {
				if target == c.spec.Name {
					return p
				}
			}
		}
	}
	return nil
}
