package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/replay/kit"
)

// snapshot says which part of a log is verified, and between which places of their inputs the
// tables stand.
//
// The offsets are taken one after another, in an order that makes a statement certain while the
// system runs. An event below settled has its outcome and its row below the ends. An outcome below
// the ends has its events below theirs, and these have their commands.
type snapshot struct {
	start, end kit.Offsets
	// settled is the end of each events topic, without open transactions, before anything else was
	// looked at.
	settled kit.Offsets
	// handled is the offset up to which each aggregate's group had handled its commands before
	// outcomes were looked at; -1 if it never committed.
	handled map[string][]int64
	// before and after are the offsets of projections' groups in their inputs, before and after the
	// tables were looked at. They are taken with pending commits waited for, and are offsets of the
	// input that the table's rows follow from.
	before, after map[string][]int64
	// ids are those of the topics before anything was looked at.
	ids map[string]kadm.TopicID
}

func (s *snapshot) span(topic string, partition int32) kit.Span {
	return s.start.Span(topic, partition, s.end)
}

// takeSnapshot asks for all offsets.
func takeSnapshot(ctx context.Context, r *kit.Reader) (*snapshot, error) {
	n, t := r.Names, r.Config.Topology
	var commands, events, derived []string
	for _, a := range t.Aggregates {
		commands = append(commands, n.Commands(a.Name))
		events = append(events, n.Events(a.Name))
		derived = append(derived, n.Outcomes(a.Name), n.Table(a.Name), n.DeadLetters(n.Group(a.Name)))
	}
	for _, p := range t.Projections {
		if derived = append(derived, n.Table(p.ID())); p.Rekeyed() {
			derived = append(derived, n.RekeyedTopic(p.ID()))
		}
	}
	all := slices.Concat(commands, events, derived)
	if err := r.CheckTopics(ctx, all); err != nil {
		return nil, err
	}
	var err error
	s := &snapshot{handled: map[string][]int64{}}
	if s.ids, err = topicIDs(ctx, r, all); err != nil {
		return nil, err
	}
	if s.start, err = r.Starts(ctx, all...); err != nil {
		return nil, err
	}
	if s.settled, err = r.StableEnds(ctx, events...); err != nil {
		return nil, err
	}
	for _, a := range t.Aggregates {
		if s.handled[a.Name], err = r.Committed(ctx, n.Group(a.Name), n.Commands(a.Name)); err != nil {
			return nil, err
		}
	}
	if s.before, err = committedByProjections(ctx, r); err != nil {
		return nil, err
	}
	if s.end, err = r.Ends(ctx, derived...); err != nil {
		return nil, err
	}
	if err := r.AwaitDecided(ctx, s.end); err != nil {
		return nil, err
	}
	if s.after, err = committedByProjections(ctx, r); err != nil {
		return nil, err
	}
	for _, topics := range [][]string{events, commands} {
		ends, err := r.Ends(ctx, topics...)
		if err != nil {
			return nil, err
		}
		maps.Copy(s.end, ends)
	}
	for topic, list := range s.end {
		for p := range list {
			r.Total += s.span(topic, int32(p)).Size()
		}
	}
	return s, nil
}

func committedByProjections(ctx context.Context, r *kit.Reader) (_ map[string][]int64, err error) {
	all := map[string][]int64{}
	for group, input := range r.ProjectionInputs() {
		if all[group], err = r.Committed(ctx, group, input); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// stillThere fails if a topic is not the one any more that the snapshot was taken of. A version of
// a projection was dropped or begun anew meanwhile, or somebody recovers: then the findings say
// nothing.
func (s *snapshot) stillThere(ctx context.Context, r *kit.Reader) error {
	names := slices.Sorted(maps.Keys(s.ids))
	now, err := topicIDs(ctx, r, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		if now[name] != s.ids[name] {
			return fmt.Errorf("topic %s was deleted or created anew while it was read: verify again", name)
		}
	}
	return nil
}

// topicIDs asks the brokers, not the client's cache.
func topicIDs(ctx context.Context, r *kit.Reader, topics []string) (map[string]kadm.TopicID, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(topic)
		req.Topics = append(req.Topics, t)
	}
	ids := map[string]kadm.TopicID{}
	err := r.Patiently(ctx, func() error {
		resp, err := req.RequestWith(ctx, r.Client)
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
