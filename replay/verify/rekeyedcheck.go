package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// rekeyedCheck verifies one partition of a re-keyed projection: its rows against the fold of the
// topic that carries events to them. It notes the topic's events, for the comparison with the
// events that the partitions sent.
type rekeyedCheck struct {
	run       *verification
	spec      *topology.ProjectionSpec
	source    *codecs.Aggregate
	partition int32
	table     *table
	folds     *kit.RowFolds
	marks     []mark  // by source partition
	reached   []int64 // by source partition: the last command whose events are all here
	next      int64   // offset after the last record
}

func (v *verification) checkRekeyed(ctx context.Context, log *kit.Log, spec *topology.ProjectionSpec, partition int32) error {
	b := v.kit.Budget()
	defer b.Close()
	n, s := v.kit.Config.Settings.Partitions, v.snapshot.span(v.kit.Names.RekeyedTopic(spec.ID()), partition)
	k := &rekeyedCheck{run: v, spec: spec, source: v.kit.Config.Codecs.Aggregate(spec.Source), partition: partition, table: v.projectionTable(spec, partition),
		folds: kit.NewRowFolds(&v.kit.Config, spec, b), marks: make([]mark, n), reached: slices.Repeat([]int64{-1}, n)}
	if err := k.table.read(ctx, log, b); err != nil {
		return err
	}
	if s.From > 0 {
		v.found.unchecked("%s/%d begins at offset %d, so its rows cannot be compared with the events", s.Topic, partition, s.From)
		return nil
	}
	read := int64(0)
	for r, err := range log.Records(ctx, s) {
		if err != nil {
			return err
		}
		k.next = r.Offset + 1
		if kit.IsProgress(r.Key) {
			if p, ok := kit.ProgressOf(r, spec.Source); ok && int(p.Partition) < n {
				k.reached[p.Partition] = max(k.reached[p.Partition], p.Offset)
			}
			continue
		}
		read++
		if err := k.fold(ctx, r); err != nil {
			return err
		}
	}
	if k.table.high < k.next {
		v.found.unchecked("%s/%d: projection %s has handled it up to offset %d only", s.Topic, partition, spec.ID(), k.table.high)
	}
	v.mu.Lock()
	v.carried[spec.ID()][partition] = k.marks
	v.mu.Unlock()
	v.found.count(Report{Rekeyed: read, Rows: k.folds.Count})
	return k.compareTable(ctx)
}

// fold takes one record of the re-keyed topic.
func (k *rekeyedCheck) fold(ctx context.Context, r *record.Record) (err error) {
	key, e := string(r.Key), kit.LoggedEvent{Record: *r}
	found := func(check kit.Check, want, have string) {
		k.run.found.add(e.Finding(k.spec.ID()).Says(check, want, have))
	}
	if want := topology.PartitionOf(r.Key, len(k.marks)); want != k.partition {
		found(kit.CheckPartition, fmt.Sprintf("partition %d", want), fmt.Sprintf("an event in partition %d", k.partition))
		return nil
	}
	cause, err := kit.CauseOf(r)
	if err != nil || cause.Aggregate != k.spec.Source || int(cause.Partition) >= len(k.marks) {
		found(kit.CheckCause, "the place of a command of "+k.spec.Source, fmt.Sprintf("%q", r.Header(codecs.HeaderCause)))
		return nil
	}
	k.marks[cause.Partition] = k.marks[cause.Partition].add(r, key)
	k.reached[cause.Partition] = max(k.reached[cause.Partition], cause.Offset)
	if e.Event, err = k.source.DecodeEvent(ctx, r.Value); err != nil {
		if !kit.Undecodable(err) {
			return err
		}
		found(kit.CheckDecode, "an event", err.Error())
		return nil
	}
	row, err := k.folds.Of(key)
	if err != nil {
		return err
	}
	row.Cause = cause
	if r.Offset >= k.table.low && !row.Matched {
		if row.Matched, err = k.table.right(ctx, key, row.Row); err != nil {
			return err
		}
	}
	if r.Offset < k.table.high {
		row.Row = kit.Project(k.spec, row.Row, e.Event)
	}
	return k.folds.All.Put(key, row)
}

// compareTable compares the table with the fold of the events.
func (k *rekeyedCheck) compareTable(ctx context.Context) error {
	sample := k.run.sample(k.spec.ID(), k.folds.Count)
	err := k.folds.All.Each(func(key string, row *kit.RowFold) error {
		if !row.Matched {
			if err := k.table.compare(ctx, key, row.Row); err != nil {
				return err
			}
		}
		if sample.takes() && row.Row != nil && k.next <= k.table.high {
			return sample.ask(ctx, question{k.spec.Name, key, row.Row, k.spec, row.Cause, func(p int32) int64 { return k.reached[p] }})
		}
		return nil
	})
	if err != nil {
		return err
	}
	sample.tell()
	return k.table.strangers(ctx, func(key string) (bool, error) {
		row, known, err := k.folds.All.Get(key)
		return known && (row.Matched || row.Row != nil), err
	})
}
