package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/topology"
)

// rekeyed verifies one partition of a re-keyed projection: its rows against the fold of the topic
// that carries events to them, and that topic against the events.
type rekeyed struct {
	*verification
	spec      *topology.ProjectionSpec
	source    *codecs.Aggregate
	partition int32
	table     *table
	rows      *shelf[*rekeyedRow]
	marks     []mark  // by source partition
	reached   []int64 // by source partition: the last command whose events are all here
	rowCount  int64
	next      int64 // offset after the last record
}

// rekeyedRow is a row in the making.
type rekeyedRow struct {
	row     any // nil where there is none yet
	matched bool
	cause   foldlog.Position // of the last event
}

func (v *verification) newRekeyed(spec *topology.ProjectionSpec, partition int32) *rekeyed {
	k := &rekeyed{verification: v, spec: spec, source: v.config.Codecs.Aggregate(spec.Source), partition: partition, table: v.projectionTable(spec, partition)}
	k.table.follow(v.cut, v.names.Group(spec.ID()), partition)
	k.marks, k.reached = make([]mark, v.config.Settings.Partitions), slices.Repeat([]int64{-1}, v.config.Settings.Partitions)
	return k
}

// newRekeyedRows returns where the rows of a re-keyed projection are made.
func newRekeyedRows(b *budget, codec *codecs.Projection) *shelf[*rekeyedRow] {
	rows := newShelf(b, "rows", func(r *rekeyedRow) ([]byte, error) {
		b := []byte{0}
		if r.matched {
			b[0] = 1
		}
		b = appendPart(b, []byte(r.cause.String()))
		if r.row == nil {
			return b, nil
		}
		raw, err := codec.EncodeRow(r.row)
		return append(b, raw...), err
	}, func(b []byte) (*rekeyedRow, error) {
		if len(b) == 0 {
			return nil, errSpilled
		}
		r := &rekeyedRow{matched: b[0] == 1}
		cause, b, ok := cutPart(b[1:])
		if !ok {
			return nil, errSpilled
		}
		r.cause, _ = foldlog.ParsePosition(string(cause)) // none where nothing was folded
		if len(b) == 0 {
			return r, nil
		}
		row, err := codec.DecodeRow(context.Background(), b) // the latest schema, which is known
		r.row = row
		return r, err
	})
	rows.extra = 256 // pointers, the domain's own values
	return rows
}

// foldRow folds an event into its row.
func foldRow(rows *shelf[*rekeyedRow], spec *topology.ProjectionSpec, key string, e foldlog.Event[any]) error {
	row, known, err := rows.get(key)
	if err != nil {
		return err
	}
	if !known {
		row = &rekeyedRow{}
	}
	row.row = project(spec, row.row, e)
	return rows.put(key, row)
}

func (k *rekeyed) run(ctx context.Context, log *kafkalog.Log) error {
	b := k.budget()
	defer b.close()
	codec := k.config.Codecs.Projection(k.spec.ID())
	k.rows = newRekeyedRows(b, codec)
	if err := k.table.read(ctx, k.verification, log, b); err != nil {
		return err
	}
	s := k.open(ctx, log, k.cut.span(k.names.RekeyedTopic(k.spec.ID()), k.partition))
	defer s.close()
	if s.from > 0 {
		k.unchecked("%s/%d begins at offset %d, so its rows cannot be compared with the events", s.topic, k.partition, s.from)
		return nil
	}
	read := int64(0)
	for r := s.peek(); r != nil; r = s.peek() {
		k.next = r.Offset + 1
		if isProgress(r.Key) {
			if p, err := position(r.Header(codecs.HeaderProgress)); err == nil && int(p.Partition) < len(k.reached) {
				k.reached[p.Partition] = max(k.reached[p.Partition], p.Offset)
			}
		} else {
			read++
			if err := k.fold(ctx, r, codec); err != nil {
				return err
			}
		}
		s.pop()
	}
	if s.err != nil {
		return s.err
	}
	if k.table.high < k.next {
		k.unchecked("%s/%d: projection %s has handled it up to offset %d only", s.topic, k.partition, k.spec.ID(), k.table.high)
	}
	k.count(func(r *Report) { r.Rekeyed += read })
	k.mu.Lock()
	k.carried[k.spec.ID()][k.partition] = k.marks
	k.mu.Unlock()
	return k.finish(ctx)
}

// fold takes one record of the re-keyed topic.
func (k *rekeyed) fold(ctx context.Context, r *record.Record, codec *codecs.Projection) error {
	key := string(r.Key)
	e := happened{place: *r}
	found := func(check Check, want, have string) {
		k.find(Finding{Check: check, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Part: k.spec.ID(), Key: key, Version: e.event.Version, Want: want, Have: have})
	}
	if want := topology.PartitionOf(r.Key, k.config.Settings.Partitions); want != k.partition {
		found(CheckPartition, fmt.Sprintf("partition %d", want), fmt.Sprintf("an event in partition %d", k.partition))
		return nil
	}
	cause, err := position(r.Header(codecs.HeaderCause))
	if err != nil || cause.Aggregate != k.spec.Source || int(cause.Partition) >= len(k.marks) {
		found(CheckCause, "the place of a command of "+k.spec.Source, fmt.Sprintf("%q", r.Header(codecs.HeaderCause)))
		return nil
	}
	k.marks[cause.Partition] = k.marks[cause.Partition].add(r, key)
	k.reached[cause.Partition] = max(k.reached[cause.Partition], cause.Offset)
	if e.event, err = k.source.DecodeEvent(ctx, r.Value); err != nil {
		if undecodable := (*codecs.Undecodable)(nil); !errors.As(err, &undecodable) {
			return err
		}
		found(CheckDecode, "an event", err.Error())
		return nil
	}
	row, known, err := k.rows.get(key)
	if err != nil {
		return err
	}
	if !known {
		row = &rekeyedRow{}
		k.rowCount++
	}
	row.cause = cause
	if r.Offset >= k.table.low && !row.matched {
		if row.matched, err = k.table.right(ctx, key, row.row); err != nil {
			return err
		}
	}
	if r.Offset < k.table.high {
		row.row = project(k.spec, row.row, e.event)
	}
	return k.rows.put(key, row)
}

func (k *rekeyed) finish(ctx context.Context) error {
	sample := k.sample(k.rowCount)
	err := each(k.rows, func(key string, row *rekeyedRow) error {
		if !row.matched {
			right, err := k.table.right(ctx, key, row.row)
			if err == nil && !right {
				var f Finding
				if f, err = k.table.report(ctx, key, row.row); err == nil {
					k.find(f)
				}
			}
			if err != nil {
				return err
			}
		}
		if sample.takes() && row.row != nil && k.next <= k.table.high {
			return k.ask(ctx, sample, asked{k.spec.Name, key, row.row, k.spec, row.cause, func(p int32) int64 { return k.reached[p] }})
		}
		return nil
	})
	if err != nil {
		return err
	}
	k.tellNewer(sample, k.spec.ID())
	k.count(func(r *Report) { r.Rows += k.rowCount })
	return k.table.strangers(ctx, k.verification, func(key string) (bool, error) {
		row, known, err := k.rows.get(key)
		return known && (row.matched || row.row != nil), err
	})
}

// compareRoutes compares what partitions of events sent with what the re-keyed topics have. Where
// they differ, both are read again to say where.
func (v *verification) compareRoutes(ctx context.Context) error {
	var differing []work
	for _, spec := range v.config.Topology.Projections {
		for p, r := range v.routes[spec.ID()] {
			for q, have := range v.carried[spec.ID()] {
				if r != nil && have != nil && !r.permits(int32(q), have[p]) {
					differing = append(differing, func(ctx context.Context, log *kafkalog.Log) error { return v.locate(ctx, log, r, int32(q)) })
				}
			}
		}
	}
	return v.each(ctx, differing)
}

// locate reports where a re-keyed partition differs from the events that one partition sent to it.
func (v *verification) locate(ctx context.Context, log *kafkalog.Log, r *route, q int32) error {
	source := v.config.Codecs.Aggregate(r.spec.Source)
	events, carried := v.cut.span(v.names.Events(r.spec.Source), r.partition), v.cut.span(v.names.RekeyedTopic(r.spec.ID()), q)
	events.to = min(events.to, r.high)
	sent := v.open(ctx, log, events)
	defer sent.close()
	got := v.open(ctx, log, carried)
	defer got.close()
	n := v.config.Settings.Partitions
	next := func(s *stream, belongs func(rec *record.Record, e *happened) bool) *happened {
		for rec := s.peek(); rec != nil; rec = s.peek() {
			e := &happened{place: *rec}
			s.pop()
			if e.event, e.fault = source.DecodeEvent(ctx, e.place.Value); e.fault == nil && belongs(&e.place, e) {
				return e
			}
		}
		return nil
	}
	nextSent := func() *happened {
		return next(sent, func(_ *record.Record, e *happened) bool {
			key := keyOf(r.spec, e.event)
			return key != "" && topology.PartitionOf([]byte(key), n) == q
		})
	}
	nextGot := func() *happened {
		return next(got, func(rec *record.Record, _ *happened) bool {
			cause, err := position(rec.Header(codecs.HeaderCause))
			return err == nil && cause.Partition == r.partition && !isProgress(rec.Key)
		})
	}
	found := func(e *happened, key, want, have string) {
		v.find(Finding{Check: CheckRekey, Topic: e.place.Topic, Partition: e.place.Partition, Offset: e.place.Offset, Part: r.spec.ID(), Key: key,
			Version: e.event.Version, Want: want, Have: have})
	}
	s, g := nextSent(), nextGot()
	for s != nil || g != nil {
		order := 0
		switch {
		case s == nil:
			order = 1
		case g == nil:
			order = -1
		default:
			order = s.before(g)
		}
		switch {
		case order < 0:
			if s.place.Offset < r.low {
				found(s, keyOf(r.spec, s.event), fmt.Sprintf("the event in %s/%d", carried.topic, q), "none at its place")
			}
			s = nextSent()
		case order > 0:
			found(g, string(g.place.Key), fmt.Sprintf("the events of %s/%d, each once and in their order", events.topic, r.partition),
				"event "+g.event.EventID+", which does not belong here")
			g = nextGot()
		default:
			if key := keyOf(r.spec, s.event); key != string(g.place.Key) || string(s.place.Value) != string(g.place.Value) {
				found(g, string(g.place.Key), fmt.Sprintf("the event at %s/%d/%d under the key %q", events.topic, r.partition, s.place.Offset, key), "another one")
			}
			s, g = nextSent(), nextGot()
		}
	}
	return errors.Join(sent.err, got.err)
}
