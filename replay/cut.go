package replay

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/topology"
)

// cut is what of a log is verified, and between which places of their inputs the tables stand.
//
// The offsets are taken one after another so that what follows from something is always taken later
// or earlier than that, whichever makes the statement certain while the system runs: an event below
// settled has its outcome and its row below the ends; what is below the ends has its events below
// theirs, and these have their commands.
type cut struct {
	start places
	end   places
	// settled is where each events topic ended, transactions that were open left out, before
	// anything else was looked at.
	settled places
	// handled is up to where each aggregate's group had handled its commands before outcomes were
	// looked at; -1 where it never committed.
	handled map[string][]int64
	// before and after are the offsets of the other groups in their inputs, before and after the
	// tables were looked at. They are taken with pending commits waited for, and are offsets of the
	// input that the table's rows follow from.
	before, after map[string][]int64
	// ids are those of the topics before anything was looked at.
	ids map[string]kadm.TopicID
}

func (c *cut) span(topic string, partition int32) span {
	return span{topic, partition, c.start[topic][partition], c.end[topic][partition]}
}

// takeCut asks for all offsets.
func (v *verification) takeCut(ctx context.Context) error {
	n, t := v.names, v.config.Topology
	var commands, events, derived []string
	for _, a := range t.Aggregates {
		commands = append(commands, n.Commands(a.Name))
		events = append(events, n.Events(a.Name))
		derived = append(derived, n.Outcomes(a.Name), n.Table(a.Name), n.DeadLetters(n.Group(a.Name)))
	}
	inputs := map[string]string{} // of groups that are not an aggregate's
	for _, p := range t.Projections {
		derived = append(derived, n.Table(p.ID()))
		inputs[n.Group(p.ID())] = n.Events(p.Source)
		if p.Rekeyed() {
			derived = append(derived, n.RekeyedTopic(p.ID()))
			inputs[n.Group(p.ID())] = n.RekeyedTopic(p.ID())
			inputs[n.RekeyGroup(p.ID())] = n.Events(p.Source)
		}
	}
	all := append(append(append([]string{}, commands...), events...), derived...)
	if err := v.checkTopics(ctx, all); err != nil {
		return err
	}
	var err error
	c := &cut{end: places{}, handled: map[string][]int64{}}
	if c.ids, err = v.topicIDs(ctx, all); err != nil {
		return err
	}
	if c.start, err = v.offsets(ctx, v.admin.ListStartOffsets, all); err != nil {
		return err
	}
	if c.settled, err = v.offsets(ctx, v.admin.ListCommittedOffsets, events); err != nil {
		return err
	}
	for _, a := range t.Aggregates {
		if c.handled[a.Name], err = v.committed(ctx, n.Group(a.Name), n.Commands(a.Name)); err != nil {
			return err
		}
	}
	if c.before, err = v.committedBy(ctx, inputs); err != nil {
		return err
	}
	ends, err := v.offsets(ctx, v.admin.ListEndOffsets, derived)
	if err != nil {
		return err
	}
	c.add(ends)
	if err := v.awaitDecided(ctx, ends); err != nil {
		return err
	}
	if c.after, err = v.committedBy(ctx, inputs); err != nil {
		return err
	}
	for _, topics := range [][]string{events, commands} {
		if ends, err = v.offsets(ctx, v.admin.ListEndOffsets, topics); err != nil {
			return err
		}
		c.add(ends)
	}
	v.cut = c
	for topic, list := range c.end {
		for p := range list {
			v.total += c.span(topic, int32(p)).size()
		}
	}
	return nil
}

func (c *cut) add(ends places) {
	for topic, list := range ends {
		c.end[topic] = list
	}
}

func (v *verification) committedBy(ctx context.Context, inputs map[string]string) (map[string][]int64, error) {
	all := map[string][]int64{}
	for group, input := range inputs {
		offsets, err := v.committed(ctx, group, input)
		if err != nil {
			return nil, err
		}
		all[group] = offsets
	}
	return all, nil
}

// stillThere fails where a topic is not the one any more that the cut was taken of: a version of a
// projection was dropped or begun anew meanwhile, or somebody recovers. What was found says nothing
// then.
func (v *verification) stillThere(ctx context.Context) error {
	names := slices.Sorted(maps.Keys(v.cut.ids))
	now, err := v.topicIDs(ctx, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		if now[name] != v.cut.ids[name] {
			return fmt.Errorf("topic %s was deleted or created anew while it was read: verify again", name)
		}
	}
	return nil
}

// topicIDs asks the brokers, and not what the client remembers of them.
func (v *verification) topicIDs(ctx context.Context, topics []string) (map[string]kadm.TopicID, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(topic)
		req.Topics = append(req.Topics, t)
	}
	ids := map[string]kadm.TopicID{}
	err := v.patiently(ctx, func() error {
		resp, err := req.RequestWith(ctx, v.client)
		if err != nil {
			return fmt.Errorf("ask for the topics: %w", err)
		}
		for _, t := range resp.Topics {
			if t.Topic != nil {
				ids[*t.Topic] = t.TopicID
			}
		}
		return nil
	})
	return ids, err
}

// follow says between which places of a group's input its table stands.
func (t *table) follow(c *cut, group string, partition int32) {
	t.low, t.high = max(c.before[group][partition], 0), max(c.after[group][partition], 0)
}

// sources returns the projections of an aggregate type, those that are re-keyed or the others.
func sources(t *topology.Topology, aggregate string, rekeyed bool) []*topology.ProjectionSpec {
	var found []*topology.ProjectionSpec
	for _, p := range t.Projections {
		if p.Source == aggregate && p.Rekeyed() == rekeyed {
			found = append(found, p)
		}
	}
	return found
}
