package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// stored is a row as its table has it.
type stored struct {
	offset int64
	value  []byte // nil if the row was deleted, which an empty one is not
}

func encodeStored(s stored) ([]byte, error) {
	b := binary.AppendVarint(nil, s.offset)
	if s.value != nil {
		b = append(append(b, 1), s.value...)
	}
	return b, nil
}

func decodeStored(b []byte) (s stored, err error) {
	offset, n := binary.Varint(b)
	if n <= 0 {
		return s, kit.ErrSpilled
	}
	if s.offset = offset; len(b) > n {
		s.value = b[n+1:]
	}
	return s, nil
}

// table is one partition of a table, beside which its rows are made again from events.
type table struct {
	run       *verification
	topic     string
	partition int32
	part      string // the aggregate type or projection
	check     kit.Check
	// low and high are the input offsets between which the table was written when it was read:
	// everything below low is in its rows, and nothing from high on. A row is right if it is the
	// fold of the events up to some place in between.
	low, high int64
	rows      *kit.Shelf[stored]
	encode    func(row any) ([]byte, error)
	decode    func(ctx context.Context, value []byte) (any, error)
}

// stateTable returns an aggregate type's table, whose rows are codecs.State.
func (v *verification) stateTable(spec *topology.AggregateSpec, partition int32) *table {
	codec := v.kit.Config.Codecs.Aggregate(spec.Name)
	return &table{
		run: v, topic: v.kit.Names.Table(spec.Name), partition: partition, part: spec.Name, check: kit.CheckState,
		encode: func(row any) ([]byte, error) { return codec.EncodeState(row.(codecs.State)) },
		decode: func(ctx context.Context, value []byte) (any, error) { return codec.DecodeState(ctx, value) },
	}
}

func (v *verification) projectionTable(spec *topology.ProjectionSpec, partition int32) *table {
	codec, group := v.kit.Config.Codecs.Projection(spec.ID()), v.kit.Names.Group(spec.ID())
	return &table{
		run: v, topic: v.kit.Names.Table(spec.ID()), partition: partition, part: spec.ID(), check: kit.CheckRow, encode: codec.EncodeRow, decode: codec.DecodeRow,
		low: max(v.snapshot.before[group][partition], 0), high: max(v.snapshot.after[group][partition], 0),
	}
}

// read reads the last row of each key.
func (t *table) read(ctx context.Context, log *kit.Log, b *kit.Budget) error {
	t.rows = kit.NewShelf(b, t.topic, 0, encodeStored, decodeStored)
	for r, err := range log.Records(ctx, t.run.snapshot.span(t.topic, t.partition)) {
		if err != nil {
			return err
		}
		if kit.IsProgress(r.Key) {
			continue
		}
		if want := topology.PartitionOf(r.Key, t.run.kit.Config.Settings.Partitions); want != t.partition {
			t.run.found.add(kit.At(r, t.part).Says(kit.CheckPartition, fmt.Sprintf("partition %d", want), fmt.Sprintf("a row in partition %d", t.partition)))
		} else if err := t.rows.Put(string(r.Key), stored{r.Offset, bytes.Clone(r.Value)}); err != nil {
			return err
		}
	}
	return nil
}

// right reports whether the row of a key is the given one; nil stands for none.
func (t *table) right(ctx context.Context, key string, row any) (bool, error) {
	have, exists, err := t.rows.Get(key)
	if err != nil {
		return false, err
	}
	exists = exists && have.value != nil
	if row == nil || !exists {
		return row == nil && !exists, nil
	}
	want, err := t.encode(row)
	if err != nil {
		return false, nil
	}
	if bytes.Equal(want, have.value) {
		return true, nil
	}
	decoded, err := t.decode(ctx, have.value) // it may have been written with an older schema
	if kit.Undecodable(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	again, err := t.encode(decoded)
	return err == nil && bytes.Equal(want, again), nil
}

// report returns the finding that a row is not the given one.
func (t *table) report(ctx context.Context, key string, row any) (kit.Finding, error) {
	f := kit.Finding{Check: t.check, Topic: t.topic, Partition: t.partition, Offset: -1, Part: t.part, Key: key, Want: "no row, since no event leads to one", Have: "no row"}
	have, exists, err := t.rows.Get(key)
	if err != nil {
		return f, err
	}
	if row != nil {
		f.Want = describe(row)
		if state, ok := row.(codecs.State); ok {
			f.Version = state.Version
		}
		if _, err := t.encode(row); err != nil {
			f.Want = "a row that its schema can hold: " + err.Error()
		}
	}
	if exists && have.value != nil {
		f.Offset = have.offset
		decoded, err := t.decode(ctx, have.value)
		if kit.Undecodable(err) {
			f.Check, f.Have = kit.CheckDecode, err.Error()
			return f, nil
		}
		if err != nil {
			return f, err
		}
		f.Have = describe(decoded)
	}
	return f, nil
}

// compare reports a row that equals none of the given ones. The first of these is the expected row.
func (t *table) compare(ctx context.Context, key string, rows ...any) error {
	for _, row := range rows {
		if right, err := t.right(ctx, key, row); err != nil || right {
			return err
		}
	}
	f, err := t.report(ctx, key, rows[0])
	if err == nil {
		t.run.found.add(f)
	}
	return err
}

// strangers reports the rows of keys that nothing leads to.
func (t *table) strangers(ctx context.Context, known func(key string) (bool, error)) error {
	return t.rows.Each(func(key string, s stored) error {
		ok, err := known(key)
		if err != nil || ok || s.value == nil {
			return err
		}
		return t.compare(ctx, key, nil)
	})
}

// describe returns a row as text.
func describe(row any) string {
	text := ""
	if state, ok := row.(codecs.State); ok {
		text = fmt.Sprintf("version %d at %s, chain %s, ", state.Version, inMicros(state.RecordedAt), kit.ShortHash(state.Chain[:]))
		row = state.Data
	}
	raw, err := json.Marshal(row)
	if err != nil {
		raw = fmt.Appendf(nil, "%+v", row)
	}
	return kit.Clip(text + string(raw))
}
