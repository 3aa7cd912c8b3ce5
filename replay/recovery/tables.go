package recovery

import (
	"context"
	"errors"
	"fmt"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// foldTables folds the events of every partition and, if write is set, writes the resulting rows.
func (v *recovery) foldTables(ctx context.Context, write bool) error {
	return v.kit.EachPartition(ctx, func(ctx context.Context, log *kit.Log, spec *topology.AggregateSpec, p int32) error {
		b := v.kit.Budget()
		defer b.Close()
		folds := kit.NewAggregateFolds(&v.kit.Config, spec, b)
		events, reached := int64(0), int64(-1)
		for r, err := range log.Records(ctx, v.whole(v.kit.Names.Events(spec.Name), p)) {
			if err != nil {
				return err
			}
			if err := v.foldEvent(ctx, folds, r); err != nil {
				return err
			}
			if at, ok := kit.ProgressOf(r, spec.Name); ok && at.Partition == p {
				reached = max(reached, at.Offset)
			}
			events++
		}
		if !write {
			return nil
		}
		return v.writeTables(ctx, folds, p, events, reached)
	})
}

// foldEvent folds an event that must be the next one of its aggregate.
func (v *recovery) foldEvent(ctx context.Context, folds *kit.AggregateFolds, r *record.Record) error {
	e, err := kit.DecodeEvent(ctx, folds.Codec, r)
	if err != nil {
		return err
	}
	var damage error
	found := func(check kit.Check, want, have string) {
		if damage == nil {
			damage = fmt.Errorf("%w: %s", kit.ErrDamaged, e.Finding(folds.Spec.Name).Says(check, want, have))
		}
	}
	id := string(r.Key)
	if want := topology.PartitionOf(r.Key, v.kit.Config.Settings.Partitions); want != r.Partition || id != e.Event.AggregateID {
		found(kit.CheckPartition, fmt.Sprintf("an event of %q in partition %d", e.Event.AggregateID, want), fmt.Sprintf("one in partition %d", r.Partition))
		return damage
	}
	a, err := folds.Of(id)
	if err != nil {
		return err
	}
	if _, err := folds.InSequence(ctx, a, e, found); err != nil || damage != nil {
		return errors.Join(err, damage)
	}
	a.RecordedAt = kit.Later(e.Event.RecordedAt, a.RecordedAt)
	if err := folds.Evolve(a, e.Event); err != nil {
		found(kit.CheckDecode, "an event that the domain can fold", err.Error())
		return damage
	}
	for i, p := range folds.Projections {
		a.Rows[i] = kit.Project(p.Spec(), a.Rows[i], e.Event)
	}
	return folds.All.Put(id, a)
}

// writeTables writes the rows of a partition, and that its tables have everything up to the command
// that was reached.
func (v *recovery) writeTables(ctx context.Context, folds *kit.AggregateFolds, partition int32, events, reached int64) error {
	source := folds.Spec.Name
	tables := []string{v.kit.Names.Table(source)}
	for _, p := range folds.Projections {
		tables = append(tables, v.kit.Names.Table(p.Spec().ID()))
	}
	rows := int64(0)
	err := folds.All.Each(func(id string, a *kit.AggregateFold) error {
		for i, topic := range tables {
			raw, err := folds.EncodeRow(a, i)
			if err != nil {
				return fmt.Errorf("row %q of %s: %w", id, topic, err)
			}
			if raw != nil {
				rows++
				v.writer.Write(ctx, &record.Record{Topic: topic, Partition: partition, Key: []byte(id), Value: raw})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, topic := range tables {
		v.announce(ctx, topic, partition, source, partition, reached)
	}
	v.mu.Lock()
	v.progress[source][partition] = reached
	v.done.Events += events
	v.done.Aggregates += folds.Count
	v.done.Rows += rows
	v.mu.Unlock()
	return v.writer.Flush(ctx)
}

// announce writes that a partition has everything that follows from the commands of a source
// partition, up to a place.
func (v *recovery) announce(ctx context.Context, topic string, partition int32, source string, sourcePartition int32, reached int64) {
	if reached < 0 {
		return
	}
	key := topology.ProgressKeys(source, sourcePartition, v.kit.Config.Settings.Partitions)[partition]
	text := []byte(foldlog.Position{Aggregate: source, Partition: sourcePartition, Offset: reached}.String())
	v.writer.Write(ctx, &record.Record{Topic: topic, Partition: partition, Key: []byte(key), Value: text,
		Headers: []record.Header{{Key: codecs.HeaderProgress, Value: text}}})
}
