package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/topology"
)

// folds folds the events of every partition, and where that is wanted writes the rows that they
// lead to.
func (v *recovery) folds(ctx context.Context, write bool) error {
	var all []work
	for p := range int32(v.config.Settings.Partitions) {
		for _, a := range v.config.Topology.Aggregates {
			all = append(all, func(ctx context.Context, log *kafkalog.Log) error { return v.foldPartition(ctx, log, a, p, write) })
		}
	}
	return v.each(ctx, all)
}

func (v *recovery) foldPartition(ctx context.Context, log *kafkalog.Log, spec *topology.AggregateSpec, partition int32, write bool) error {
	b := v.budget()
	defer b.close()
	f := newFolder(v.reading, spec, b)
	s := v.open(ctx, log, v.whole(v.names.Events(spec.Name), partition))
	defer s.close()
	events, reached := int64(0), int64(-1)
	for r := s.peek(); r != nil; r = s.peek() {
		e, err := decodeSound(ctx, f.codec, r)
		if err != nil {
			return err
		}
		if err := v.foldEvent(ctx, f, e); err != nil {
			return err
		}
		if at, err := position(r.Header(codecs.HeaderProgress)); err == nil && at.Aggregate == spec.Name && at.Partition == partition {
			reached = max(reached, at.Offset)
		}
		events++
		s.pop()
	}
	if s.err != nil || !write {
		return s.err
	}
	tables := []string{v.names.Table(spec.Name)}
	for _, p := range f.projections {
		tables = append(tables, v.names.Table(p.Spec().ID()))
	}
	rows := int64(0)
	err := each(f.all, func(id string, a *folded) error {
		for i, topic := range tables {
			raw, err := f.row(a, i)
			if err != nil {
				return fmt.Errorf("row %q of %s: %w", id, topic, err)
			}
			if raw != nil {
				rows++
				v.writer.write(ctx, &record.Record{Topic: topic, Partition: partition, Key: []byte(id), Value: raw})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, topic := range tables {
		v.announce(ctx, topic, partition, spec.Name, partition, reached)
	}
	v.mu.Lock()
	v.progress[spec.Name][partition] = reached
	v.done.Events += events
	v.done.Aggregates += f.count
	v.done.Rows += rows
	v.mu.Unlock()
	return v.writer.flush(ctx)
}

// decodeSound returns an event whose bytes are sound, or an error that says that they are not.
func decodeSound(ctx context.Context, codec *codecs.Aggregate, r *record.Record) (*happened, error) {
	e := &happened{place: *r}
	var err error
	if e.event, err = codec.DecodeEvent(ctx, r.Value); err == nil {
		return e, nil
	}
	if undecodable := (*codecs.Undecodable)(nil); errors.As(err, &undecodable) {
		return nil, fmt.Errorf("%w: %s/%d/%d cannot be read: %w", ErrDamaged, r.Topic, r.Partition, r.Offset, err)
	}
	return nil, err
}

// foldEvent folds an event that must be the next one of its aggregate.
func (v *recovery) foldEvent(ctx context.Context, f *folder, e *happened) error {
	r, id := &e.place, string(e.place.Key)
	var damage error
	found := func(check Check, want, have string) {
		if damage == nil {
			damage = fmt.Errorf("%w: %s", ErrDamaged, Finding{Check: check, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Part: f.spec.Name, Key: id,
				Version: e.event.Version, Want: want, Have: have})
		}
	}
	if want := topology.PartitionOf(r.Key, v.config.Settings.Partitions); want != r.Partition || id != e.event.AggregateID {
		found(CheckPartition, fmt.Sprintf("an event of %q in partition %d", e.event.AggregateID, want), fmt.Sprintf("one in partition %d", r.Partition))
		return damage
	}
	a, err := f.of(id)
	if err != nil {
		return err
	}
	if _, err := f.inSequence(ctx, a, e, found); err != nil || damage != nil {
		return errors.Join(err, damage)
	}
	a.recordedAt = later(e.event.RecordedAt, a.recordedAt)
	if err := f.evolve(a, e.event); err != nil {
		found(CheckDecode, "an event that the domain can fold", err.Error())
		return damage
	}
	for i, p := range f.projections {
		a.rows[i] = project(p.Spec(), a.rows[i], e.event)
	}
	return f.all.put(id, a)
}

// row returns a row of an aggregate's tables as it is written, the state's being the first; nil
// where there is none.
func (f *folder) row(a *folded, i int) ([]byte, error) {
	switch {
	case i == 0:
		return f.codec.EncodeState(a.stateRow())
	case a.rows[i-1] == nil:
		return nil, nil
	}
	return f.projections[i-1].EncodeRow(a.rows[i-1])
}

// announce writes that a partition has everything that follows from the commands of a source
// partition, up to a place.
func (v *recovery) announce(ctx context.Context, topic string, partition int32, source string, sourcePartition int32, reached int64) {
	if reached < 0 {
		return
	}
	key := topology.ProgressKeys(source, sourcePartition, v.config.Settings.Partitions)[partition]
	text := []byte(foldlog.Position{Aggregate: source, Partition: sourcePartition, Offset: reached}.String())
	v.writer.write(ctx, &record.Record{Topic: topic, Partition: partition, Key: []byte(key), Value: text,
		Headers: []record.Header{{Key: codecs.HeaderProgress, Value: text}}})
}

// rekey fills the re-keyed topics and the tables that follow from them.
func (v *recovery) rekey(ctx context.Context) error {
	var fill, fold []work
	var topics []string
	for _, spec := range v.config.Topology.Projections {
		if !spec.Rekeyed() {
			continue
		}
		topics = append(topics, v.names.RekeyedTopic(spec.ID()))
		fill = append(fill, func(ctx context.Context, log *kafkalog.Log) error { return v.fillRekeyed(ctx, log, spec) })
		for p := range int32(v.config.Settings.Partitions) {
			fold = append(fold, func(ctx context.Context, log *kafkalog.Log) error { return v.foldRekeyed(ctx, log, spec, p) })
		}
	}
	if err := v.each(ctx, fill); err != nil {
		return err
	}
	if err := v.takeEnds(ctx, v.admin.ListEndOffsets, topics); err != nil {
		return err
	}
	return v.each(ctx, fold)
}

// fillRekeyed sends the events of all partitions to the partitions of their rows. The events of one
// partition keep their order, as they have to; among partitions it is that of their times, so that
// it does not depend on chance.
func (v *recovery) fillRekeyed(ctx context.Context, log *kafkalog.Log, spec *topology.ProjectionSpec) error {
	n := v.config.Settings.Partitions
	topic, sent, all := v.names.RekeyedTopic(spec.ID()), int64(0), []span{}
	for p := range int32(n) {
		all = append(all, v.whole(v.names.Events(spec.Source), p))
	}
	err := v.inOrder(ctx, log, spec.Source, all, func(e *happened) error {
		if key := keyOf(spec, e.event); key != "" {
			out := codecs.Rekeyed(e.place, topic, key)
			out.Partition = topology.PartitionOf(out.Key, n)
			v.writer.write(ctx, &out)
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
	return v.writer.flush(ctx)
}

// inOrder visits the events in some partitions of an aggregate type's events: those of one
// partition in their order, among partitions by time.
func (r *reading) inOrder(ctx context.Context, log *kafkalog.Log, source string, spans []span, visit func(*happened) error) error {
	codec := r.config.Codecs.Aggregate(source)
	streams, heads := make([]*stream, len(spans)), make([]*happened, len(spans))
	next := func(i int) (err error) {
		heads[i] = nil
		if head := streams[i].peek(); head != nil {
			heads[i], err = decodeSound(ctx, codec, head)
			streams[i].pop()
		}
		return errors.Join(err, streams[i].err)
	}
	for i, s := range spans {
		streams[i] = r.open(ctx, log, s)
		defer streams[i].close()
		if err := next(i); err != nil {
			return err
		}
	}
	for {
		first := -1
		for i, e := range heads {
			if e != nil && (first < 0 || e.event.RecordedAt.Before(heads[first].event.RecordedAt)) {
				first = i
			}
		}
		if first < 0 {
			return nil
		}
		if err := visit(heads[first]); err != nil {
			return err
		}
		if err := next(first); err != nil {
			return err
		}
	}
}

// foldRekeyed writes one partition of the table of a re-keyed projection.
func (v *recovery) foldRekeyed(ctx context.Context, log *kafkalog.Log, spec *topology.ProjectionSpec, partition int32) error {
	b := v.budget()
	defer b.close()
	source, codec := v.config.Codecs.Aggregate(spec.Source), v.config.Codecs.Projection(spec.ID())
	rows := newRekeyedRows(b, codec)
	s := v.open(ctx, log, v.whole(v.names.RekeyedTopic(spec.ID()), partition))
	defer s.close()
	for r := s.peek(); r != nil; r = s.peek() {
		if !isProgress(r.Key) {
			e, err := decodeSound(ctx, source, r)
			if err != nil {
				return err
			}
			if err := foldRow(rows, spec, string(r.Key), e.event); err != nil {
				return err
			}
		}
		s.pop()
	}
	if s.err != nil {
		return s.err
	}
	topic, written := v.names.Table(spec.ID()), int64(0)
	err := each(rows, func(key string, row *rekeyedRow) error {
		if row.row == nil {
			return nil
		}
		raw, err := codec.EncodeRow(row.row)
		if err != nil {
			return fmt.Errorf("row %q of %s: %w", key, topic, err)
		}
		written++
		v.writer.write(ctx, &record.Record{Topic: topic, Partition: partition, Key: []byte(key), Value: raw})
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
	return v.writer.flush(ctx)
}
