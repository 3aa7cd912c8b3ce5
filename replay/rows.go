package replay

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/topology"
)

// stored is a row as its table has it.
type stored struct {
	offset int64
	value  []byte // nil where the row was deleted, which an empty one is not
}

func encodeStored(s stored) ([]byte, error) {
	return appendPart(binary.AppendVarint(nil, s.offset), s.value), nil
}

func decodeStored(b []byte) (stored, error) {
	offset, n := binary.Varint(b)
	if n <= 0 {
		return stored{}, errSpilled
	}
	value, _, ok := cutPart(b[n:])
	if !ok {
		return stored{}, errSpilled
	}
	return stored{offset: offset, value: value}, nil
}

// table is one partition of a table, beside which its rows are made again from events.
type table struct {
	topic     string
	partition int32
	part      string // the aggregate type or projection
	check     Check
	// low and high are the input offsets between which the table was written when it was read:
	// everything below low is in its rows, and nothing from high on. A row is right if it is what
	// the events up to some place in between lead to.
	low, high int64
	rows      *shelf[stored]
	encode    func(row any) ([]byte, error)
	decode    func(ctx context.Context, value []byte) (any, error)
}

// stateTable returns an aggregate type's table, whose rows are codecs.State.
func (v *verification) stateTable(spec *topology.AggregateSpec, partition int32) *table {
	codec := v.config.Codecs.Aggregate(spec.Name)
	return &table{
		topic: v.names.Table(spec.Name), partition: partition, part: spec.Name, check: CheckState,
		encode: func(row any) ([]byte, error) { return codec.EncodeState(row.(codecs.State)) },
		decode: func(ctx context.Context, value []byte) (any, error) { return codec.DecodeState(ctx, value) },
	}
}

func (v *verification) projectionTable(spec *topology.ProjectionSpec, partition int32) *table {
	codec := v.config.Codecs.Projection(spec.ID())
	return &table{
		topic: v.names.Table(spec.ID()), partition: partition, part: spec.ID(), check: CheckRow, encode: codec.EncodeRow, decode: codec.DecodeRow,
	}
}

// read reads the last row of each key.
func (t *table) read(ctx context.Context, v *verification, log *kafkalog.Log, b *budget) error {
	t.rows = newShelf(b, t.topic, encodeStored, decodeStored)
	s := v.open(ctx, log, v.cut.span(t.topic, t.partition))
	defer s.close()
	for r := s.peek(); r != nil; r = s.peek() {
		if !isProgress(r.Key) {
			key := string(r.Key)
			if want := topology.PartitionOf(r.Key, v.config.Settings.Partitions); want != t.partition {
				v.find(Finding{Check: CheckPartition, Topic: t.topic, Partition: t.partition, Offset: r.Offset, Part: t.part, Key: key,
					Want: fmt.Sprintf("partition %d", want), Have: fmt.Sprintf("a row in partition %d", t.partition)})
			} else if err := t.rows.put(key, stored{r.Offset, bytes.Clone(r.Value)}); err != nil {
				return err
			}
		}
		s.pop()
	}
	return s.err
}

// right reports whether the row of a key is the given one; nil stands for none.
func (t *table) right(ctx context.Context, key string, row any) (bool, error) {
	have, exists, err := t.rows.get(key)
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
	if undecodable := (*codecs.Undecodable)(nil); errors.As(err, &undecodable) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	again, err := t.encode(decoded)
	return err == nil && bytes.Equal(want, again), nil
}

// report returns the finding that a row is not the given one.
func (t *table) report(ctx context.Context, key string, row any) (Finding, error) {
	f := Finding{Check: t.check, Topic: t.topic, Partition: t.partition, Offset: -1, Part: t.part, Key: key, Want: "no row, since no event leads to one", Have: "no row"}
	have, exists, err := t.rows.get(key)
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
		if undecodable := (*codecs.Undecodable)(nil); errors.As(err, &undecodable) {
			f.Check, f.Have = CheckDecode, undecodable.Error()
			return f, nil
		}
		if err != nil {
			return f, err
		}
		f.Have = describe(decoded)
	}
	return f, nil
}

// strangers reports the rows of keys that nothing leads to.
func (t *table) strangers(ctx context.Context, v *verification, known func(key string) (bool, error)) error {
	return each(t.rows, func(key string, s stored) error {
		ok, err := known(key)
		if err != nil || ok || s.value == nil {
			return err
		}
		f, err := t.report(ctx, key, nil)
		if err == nil {
			v.find(f)
		}
		return err
	})
}

// longest is how much of a value a finding shows, in bytes.
const longest = 600

// describe returns a row as text.
func describe(row any) string {
	text := ""
	if state, ok := row.(codecs.State); ok {
		text = fmt.Sprintf("version %d at %s, chain %s, ", state.Version, state.RecordedAt.Format(timeLayout), short(state.Chain[:]))
		row = state.Data
	}
	raw, err := json.Marshal(row)
	if err != nil {
		raw = fmt.Appendf(nil, "%+v", row)
	}
	return clip(text + string(raw))
}

const timeLayout = "2006-01-02T15:04:05.000000Z"

func clip(text string) string {
	if len(text) > longest {
		return strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}

// short returns the beginning of a hash.
func short(hash []byte) string {
	if len(hash) == 0 {
		return "none"
	}
	return hex.EncodeToString(hash[:min(6, len(hash))]) + "…"
}

// rowOf returns the row of table i of an aggregate, the state's being 0; nil where there is none
// yet.
func (a *folded) rowOf(i int) any {
	switch {
	case i > 0:
		return a.rows[i-1]
	case a.version == 0:
		return nil
	}
	return a.stateRow()
}

// position reads a record's cause.
func position(text []byte) (foldlog.Position, error) {
	if text == nil {
		return foldlog.Position{}, errors.New("no header foldlog-cause")
	}
	return foldlog.ParsePosition(string(text))
}
