package recovery

import (
	"context"
	"fmt"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// rekey fills the re-keyed topics and the tables that follow from them.
func (v *recovery) rekey(ctx context.Context) error {
	var fill, fold []kit.Work
	var topics []string
	for _, spec := range v.kit.Config.Topology.Projections {
		if !spec.Rekeyed() {
			continue
		}
		topics = append(topics, v.kit.Names.RekeyedTopic(spec.ID()))
		fill = append(fill, func(ctx context.Context, log *kit.Log) error { return v.fillRekeyed(ctx, log, spec) })
		for p := range int32(v.kit.Config.Settings.Partitions) {
			fold = append(fold, func(ctx context.Context, log *kit.Log) error { return v.foldRekeyed(ctx, log, spec, p) })
		}
	}
	if err := v.kit.Each(ctx, fill); err != nil {
		return err
	}
	if err := v.takeEnds(ctx, topics); err != nil {
		return err
	}
	return v.kit.Each(ctx, fold)
}

// fillRekeyed sends the events of all partitions to the partitions of their rows. The events of one
// partition must keep their order; among partitions it is that of their times.
func (v *recovery) fillRekeyed(ctx context.Context, log *kit.Log, spec *topology.ProjectionSpec) error {
	n := v.kit.Config.Settings.Partitions
	topic, sent, all := v.kit.Names.RekeyedTopic(spec.ID()), int64(0), []kit.Span{}
	for p := range int32(n) {
		all = append(all, v.whole(v.kit.Names.Events(spec.Source), p))
	}
	err := log.InOrder(ctx, spec.Source, all, func(e *kit.LoggedEvent) error {
		if key := kit.KeyOf(spec, e.Event); key != "" {
			out := codecs.Rekeyed(e.Record, topic, key)
			out.Partition = topology.PartitionOf(out.Key, n)
			v.writer.Write(ctx, &out)
			sent++
		}
		return nil
	})
	if err != nil {
		return err
	}
	for p, reached := range v.progress[spec.Source] {
		for q := range int32(n) {
			v.announce(ctx, topic, q, spec.Source, int32(p), reached)
		}
	}
	v.mu.Lock()
	v.done.Rekeyed += sent
	v.mu.Unlock()
	return v.writer.Flush(ctx)
}

// foldRekeyed writes one partition of the table of a re-keyed projection.
func (v *recovery) foldRekeyed(ctx context.Context, log *kit.Log, spec *topology.ProjectionSpec, partition int32) error {
	b := v.kit.Budget()
	defer b.Close()
	source, folds := v.kit.Config.Codecs.Aggregate(spec.Source), kit.NewRowFolds(&v.kit.Config, spec, b)
	for r, err := range log.Records(ctx, v.whole(v.kit.Names.RekeyedTopic(spec.ID()), partition)) {
		if err != nil {
			return err
		}
		if kit.IsProgress(r.Key) {
			continue
		}
		e, err := kit.DecodeEvent(ctx, source, r)
		if err != nil {
			return err
		}
		if err := folds.Fold(string(r.Key), e.Event); err != nil {
			return err
		}
	}
	topic, written := v.kit.Names.Table(spec.ID()), int64(0)
	err := folds.All.Each(func(key string, row *kit.RowFold) error {
		if row.Row == nil {
			return nil
		}
		raw, err := folds.Codec.EncodeRow(row.Row)
		if err != nil {
			return fmt.Errorf("row %q of %s: %w", key, topic, err)
		}
		written++
		v.writer.Write(ctx, &record.Record{Topic: topic, Partition: partition, Key: []byte(key), Value: raw})
		return nil
	})
	if err != nil {
		return err
	}
	for p, reached := range v.progress[spec.Source] {
		v.announce(ctx, topic, partition, spec.Source, int32(p), reached)
	}
	v.mu.Lock()
	v.done.Rows += written
	v.mu.Unlock()
	return v.writer.Flush(ctx)
}
