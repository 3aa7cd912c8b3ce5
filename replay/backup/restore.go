package backup

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/backup/archive"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// restore writes one partition of an aggregate type's logs.
func (v *importing) restore(ctx context.Context, log *kit.Log, spec *topology.AggregateSpec, partition int32) error {
	if err := v.restoreEvents(ctx, log, spec, partition); err != nil {
		return err
	}
	if err := v.restoreOutcomes(ctx, log, spec, partition); err != nil {
		return err
	}
	return v.restoreCommands(ctx, log, spec, partition)
}

// refill writes records to one partition, in their order. Nobody else writes, and there are no
// transactions, so how many records the partition has says how many of them an import that was
// interrupted has written.
type refill struct {
	run       *importing
	spec      *topology.AggregateSpec
	there     int64 // how many records the partition had
	topic     string
	partition int32
	first     int64 // offset of the first record that comes from the archive
	at        int64 // offset of the next one
	last      *record.Record
	values    codecs.Values
	prefixes  map[string][]byte // what values begin with, by the schema that they were written with
}

// refill begins with fillers up to the first offset.
func (v *importing) refill(ctx context.Context, log *kit.Log, spec *topology.AggregateSpec, topic string, partition int32, first int64, values codecs.Values) (*refill, error) {
	f := &refill{run: v, spec: spec, topic: topic, partition: partition, first: first, there: v.there[topic][partition], values: values, prefixes: map[string][]byte{}}
	if f.there > first && f.there > v.start[topic][partition] {
		var err error
		if f.last, err = log.Last(ctx, kit.Span{Topic: topic, Partition: partition, From: f.there - 1, To: f.there}); err != nil {
			return nil, err
		}
	}
	for at := f.there; at < first && v.writer != nil; at++ {
		v.writer.Write(ctx, &record.Record{Topic: topic, Partition: partition})
		v.kit.Progress(1)
		if err := v.writer.Failure(); err != nil {
			return nil, err
		}
	}
	f.at = first
	return f, nil
}

// fill writes the records of the rows of a kind.
func (f *refill) fill(ctx context.Context, kind archive.Kind, recordOf func(archive.Written) (*record.Record, error)) error {
	for row, err := range f.run.archive.Rows(f.run.files[kind][f.spec.Name][f.partition]) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		r, err := recordOf(row)
		if err != nil {
			return err
		}
		r.Topic, r.Partition, r.Timestamp = f.topic, f.partition, row.Time
		if err := f.add(ctx, r); err != nil {
			return err
		}
	}
	return f.finish(ctx)
}

// add writes the next record unless it is there already.
func (f *refill) add(ctx context.Context, r *record.Record) error {
	at := f.at
	f.at++
	f.run.kit.Progress(1)
	switch {
	case at >= f.there && f.run.writer != nil:
		f.run.writer.Write(ctx, r)
		return f.run.writer.Failure()
	case at == f.there-1 && !f.isLast(r):
		return fmt.Errorf("%w: %s/%d/%d is not what an import of this archive would have written: import into an empty cluster", ErrOtherLog, f.topic, f.partition, at)
	}
	return nil
}

// isLast reports whether a record is the one that the partition ended with.
func (f *refill) isLast(r *record.Record) bool {
	return f.last != nil && bytes.Equal(f.last.Key, r.Key) && sameValue(f.last.Value, r.Value) && bytes.Equal(f.last.Header(codecs.HeaderChain), r.Header(codecs.HeaderChain))
}

// sameValue compares values without the prefixes that name their schemas: a schema may be
// registered under several ids.
func sameValue(a, b []byte) bool {
	if len(a) > 5 && len(b) > 5 && a[0] == 0 && b[0] == 0 {
		a, b = a[5:], b[5:]
	}
	return bytes.Equal(a, b)
}

// finish returns once everything is written.
func (f *refill) finish(ctx context.Context) error {
	end := f.there
	if f.run.writer != nil {
		if err := f.run.writer.Flush(ctx); err != nil {
			return err
		}
		ends, err := f.run.kit.Ends(ctx, f.topic)
		if err != nil {
			return err
		}
		end = ends[f.topic][f.partition]
	}
	if end > f.at || end < f.at && f.run.writer != nil {
		return fmt.Errorf("%w: %s/%d ends at %d, and the archive leads to %d: somebody else writes to it, or has", ErrOtherLog, f.topic, f.partition, end, f.at)
	}
	f.run.count(func(done *Imported) { done.Found += max(min(f.there, f.at)-f.first, 0) })
	return nil
}

// value returns a value as it is in this cluster, which has other ids of schemas.
func (f *refill) value(ctx context.Context, schema string, body []byte) ([]byte, error) {
	prefix, known := f.prefixes[schema]
	if !known {
		var err error
		if prefix, err = f.values.Prefix(ctx, schema); err != nil {
			return nil, err
		}
		f.prefixes[schema] = prefix
	}
	return slices.Concat(prefix, body), nil
}

// head is the state after an aggregate's last event.
type head struct {
	version int64
	chain   [32]byte
}

func (v *importing) restoreEvents(ctx context.Context, log *kit.Log, spec *topology.AggregateSpec, partition int32) error {
	b := v.kit.Budget()
	defer b.Close()
	heads := kit.NewShelf(b, "heads", 0, func(h head) ([]byte, error) { return append(binary.AppendVarint(nil, h.version), h.chain[:]...), nil },
		func(b []byte) (h head, err error) {
			n := 0
			if h.version, n = binary.Varint(b); n <= 0 || copy(h.chain[:], b[n:]) != len(h.chain) {
				return h, kit.ErrSpilled
			}
			return h, nil
		})
	codec, source := v.kit.Config.Codecs.Aggregate(spec.Name), codecs.CloudEventSource(v.kit.Config.Topology.Name, spec.Name)
	to, err := v.refill(ctx, log, spec, v.kit.Names.Events(spec.Name), partition, 0, codec.EventValues())
	if err != nil {
		return err
	}
	answered := map[string]int64{}
	err = to.fill(ctx, archive.Events, func(row archive.Written) (*record.Record, error) {
		value, err := to.value(ctx, row.Schema, row.Value)
		if err != nil {
			return nil, err
		}
		e, err := codec.DecodeEventEnvelope(ctx, value)
		if err != nil {
			return nil, unreadable(row, err)
		}
		before, _, err := heads.Get(e.AggregateID)
		if err != nil {
			return nil, err
		}
		now := head{version: e.Version}
		if now.chain, err = codec.Chain(ctx, before.chain, value); err != nil {
			return nil, unreadable(row, err)
		}
		if e.Version != before.version+1 || !bytes.Equal(row.Chain, now.chain[:]) || topology.PartitionOf([]byte(e.AggregateID), v.kit.Config.Settings.Partitions) != partition {
			return nil, fmt.Errorf("%w: %s: the event of offset %d, version %d of %s, does not follow from the one before it, version %d: its chain is %s, not %s",
				archive.ErrDamaged, row.File.Path, row.Offset, e.Version, e.AggregateID, before.version, kit.ShortHash(row.Chain), kit.ShortHash(now.chain[:]))
		}
		for _, p := range v.kit.Config.Topology.Policies {
			if p.Source == spec.Name && row.Offset < v.cut.AnsweredBy(p.Name, partition) {
				answered[p.Name] = to.at + 1
			}
		}
		headers := append([]record.Header{{Key: codecs.HeaderChain, Value: row.Chain}, {Key: codecs.HeaderCause, Value: []byte(row.Cause)}}, codecs.CloudEventHeaders(source, e)...)
		headers = append(headers, row.Headers...)
		if row.Complete {
			headers = append(headers, record.Header{Key: codecs.HeaderProgress, Value: []byte(row.Cause)})
		}
		return &record.Record{Key: []byte(e.AggregateID), Value: value, Headers: headers}, heads.Put(e.AggregateID, now)
	})
	v.goOn(spec.Name, partition, answered)
	v.count(func(done *Imported) { done.Events += to.at })
	return err
}

// goOn notes the places at which the policies on the events of a partition go on.
func (v *importing) goOn(source string, partition int32, answered map[string]int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, p := range v.kit.Config.Topology.Policies {
		if p.Source != source || v.cut.Policies[p.Name].Source != source || v.cut.AnsweredBy(p.Name, partition) < 0 {
			continue // it is new since, or never ran: it begins where a new one does
		}
		if v.answered[p.Name] == nil {
			v.answered[p.Name] = slices.Repeat([]int64{-1}, v.kit.Config.Settings.Partitions)
		}
		v.answered[p.Name][partition] = answered[p.Name]
	}
}

func (v *importing) count(add func(*Imported)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	add(&v.done)
}

func unreadable(row archive.Written, err error) error {
	return fmt.Errorf("%s, offset %d: %w", row.File.Path, row.Offset, err)
}

func (v *importing) restoreOutcomes(ctx context.Context, log *kit.Log, spec *topology.AggregateSpec, partition int32) error {
	codec := v.kit.Config.Codecs.Aggregate(spec.Name)
	to, err := v.refill(ctx, log, spec, v.kit.Names.Outcomes(spec.Name), partition, v.outcomesBase(spec.Name, partition), codec.OutcomeValues())
	if err != nil {
		return err
	}
	err = to.fill(ctx, archive.Outcomes, func(row archive.Written) (*record.Record, error) {
		value, err := to.value(ctx, row.Schema, row.Value)
		if err != nil {
			return nil, err
		}
		o, err := codec.DecodeOutcome(ctx, value)
		if err != nil {
			return nil, unreadable(row, err)
		}
		headers := append([]record.Header{{Key: codecs.HeaderCause, Value: []byte(row.Cause)}}, row.Headers...)
		return &record.Record{Key: []byte(o.AggregateID), Value: value, Headers: headers}, nil
	})
	v.count(func(done *Imported) { done.Outcomes += to.at - to.first })
	return err
}

// restoreCommands lets the log of commands go on at the old one's end: events, outcomes and tokens
// name places in it. Handled commands are not needed there. So fillers stand in for everything
// before the first unhandled command, and are removed later.
func (v *importing) restoreCommands(ctx context.Context, log *kit.Log, spec *topology.AggregateSpec, partition int32) error {
	first, values := v.cut.Aggregates[spec.Name][partition].Commands, v.kit.Config.Codecs.Aggregate(spec.Name).CommandValues()
	to, err := v.refill(ctx, log, spec, v.kit.Names.Commands(spec.Name), partition, first, values)
	if err != nil {
		return err
	}
	err = to.fill(ctx, archive.Pending, func(row archive.Written) (*record.Record, error) {
		c, err := archive.ParseCommand(row.Value)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", archive.ErrDamaged, unreadable(row, err))
		}
		if c.Schema != "" {
			text, known := v.archive.Manifest().Schemas[c.Schema]
			if !known {
				return nil, fmt.Errorf("%w: %s lacks the schema %s of a command", archive.ErrDamaged, archive.ManifestFile, c.Schema)
			}
			if c.Value, err = to.value(ctx, text, c.Value); err != nil {
				return nil, err
			}
		}
		return &record.Record{Key: c.Key, Value: c.Value, Headers: row.Headers}, nil
	})
	v.count(func(done *Imported) { done.Pending += to.at - to.first })
	return err
}
