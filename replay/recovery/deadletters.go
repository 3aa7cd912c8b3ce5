package recovery

import (
	"context"
	"errors"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// restoreDeadLetters writes the dead letters of commands that were handled, can be neither read nor
// forwarded, and have none: the topic was lost.
func (v *recovery) restoreDeadLetters(ctx context.Context) error {
	var topics []string
	for _, a := range v.kit.Config.Topology.Aggregates {
		topics = append(topics, v.kit.Names.DeadLetters(v.kit.Names.Group(a.Name)))
	}
	starts, err := v.kit.Starts(ctx, topics...)
	if err != nil {
		return err
	}
	ends, err := v.kit.Ends(ctx, topics...)
	if err != nil {
		return err
	}
	there, err := v.kit.ReadDeadLetters(ctx, starts, ends)
	if err != nil {
		return err
	}
	return v.kit.EachPartition(ctx, func(ctx context.Context, log *kit.Log, spec *topology.AggregateSpec, p int32) error {
		codec, group := v.kit.Config.Codecs.Aggregate(spec.Name), v.kit.Names.Group(spec.Name)
		for r, err := range log.Records(ctx, v.handled[spec.Name][p]) {
			if err != nil {
				return err
			}
			command, err := codec.DecodeCommandUnhashed(ctx, *r)
			undecodable, is := errors.AsType[*codecs.Undecodable](err)
			if err == nil {
				undecodable, is = v.unforwardable(r, command.AggregateID)
			}
			if is {
				if !there.Has(spec.Name, p, r.Offset) {
					letter := codecs.DeadLetter(*r, v.kit.Names.DeadLetters(group), group, undecodable.Cause)
					letter.Partition = topology.PartitionOf(r.Key, v.kit.Config.Settings.Partitions)
					v.writer.Write(ctx, &letter)
				}
			} else if err != nil {
				return err
			}
		}
		return v.writer.Flush(ctx)
	})
}

// unforwardable says why a command in the wrong partition has no copy in the right one, if it could
// have none.
func (v *recovery) unforwardable(r *record.Record, aggregateID string) (*codecs.Undecodable, bool) {
	home := topology.PartitionOf([]byte(aggregateID), v.kit.Config.Settings.Partitions)
	if home == r.Partition && len(r.Key) > 0 || r.Header(codecs.HeaderOriginTopic) != nil {
		return nil, false
	}
	copied := codecs.Forwarded(*r, aggregateID)
	err := codecs.Fits(&copied)
	return &codecs.Undecodable{Raw: r.Value, Cause: err}, err != nil
}
