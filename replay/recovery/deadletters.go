package recovery

import (
	"context"
	"errors"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// restoreDeadLetters writes the dead letters of commands that were handled, cannot be read, and
// have none: the topic was lost.
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
			_, err := codec.DecodeCommandUnhashed(ctx, *r)
			if undecodable, is := errors.AsType[*codecs.Undecodable](err); is {
				if !there.Has(spec.Name, p, r.Offset) {
					v.writer.Write(ctx, v.deadLetter(r, group, undecodable.Cause))
				}
			} else if err != nil {
				return err
			}
		}
		return v.writer.Flush(ctx)
	})
}

// deadLetter returns a command's dead letter. The end of a value that would not fit is left out; it
// can be read at the coordinates.
func (v *recovery) deadLetter(r *record.Record, group string, cause error) *record.Record {
	out := &record.Record{
		Topic: v.kit.Names.DeadLetters(group), Partition: topology.PartitionOf(r.Key, v.kit.Config.Settings.Partitions), Key: r.Key, Value: r.Value,
		Headers: codecs.DeadLetterHeaders(*r, group, cause),
	}
	if room := topology.MaxRecordBytes - len(r.Key) - 8<<10; len(out.Value) > room {
		out.Value = out.Value[:room]
		out.Headers = append(out.Headers, record.Header{Key: codecs.HeaderDeadLetterTruncated, Value: []byte("true")})
	}
	return out
}
