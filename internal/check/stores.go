package check

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/foldlog/foldlog/internal/history"
)

// Kinds of keys in a local store: their first byte.
const (
	storedRow     = 'r'
	storedIndex   = 'i'
	storedReceipt = 'm'
)

// localStore is a processor's store of one partition. Its receipt says below which offsets it has everything.
type localStore struct {
	file      string
	table     string
	partition int32
	rows      map[string][]byte
	index     map[string]bool
	receipt   *struct {
		TableNext int64 `json:"table_next"`
		IndexNext int64 `json:"index_next"`
	}
}

// checkStores compares local stores with what they are copies of (I11): each with the rows below the place that its receipt names, and of
// each partition one with all rows.
func (d *dump) checkStores() error {
	files, err := filepath.Glob(filepath.Join(d.dir, "stores", "*", "*.jsonl"))
	if err != nil {
		return err
	}
	slices.Sort(files)
	if len(files) == 0 {
		d.note(Rebuilt, "no local store was dumped")
	}
	furthest := map[string]map[int32]int64{}
	for _, path := range files {
		s, err := d.readStore(path)
		if err != nil {
			return err
		}
		if _, known := d.tables[s.table]; !known {
			d.note(Rebuilt, "%s is the store of no table", s.file)
			continue
		}
		if s.receipt == nil {
			if len(s.rows) > 0 {
				d.violate(Rebuilt, s.file, "the store has rows and no receipt")
			}
			continue
		}
		d.checkStore(s)
		if furthest[s.table] == nil {
			furthest[s.table] = map[int32]int64{}
		}
		furthest[s.table][s.partition] = max(furthest[s.table][s.partition], s.receipt.TableNext)
	}
	for _, table := range sortedKeys(furthest) {
		last := map[int32]int64{}
		for _, v := range d.histories[table] {
			last[v.partition] = v.offset
		}
		for p := range int32(d.run.Partitions) {
			offset, any := last[p]
			d.checked(Rebuilt, 1)
			if any && furthest[table][p] <= offset {
				d.violate(Rebuilt, fmt.Sprintf("stores of %s.%d", d.names.table(table), p), "no store has everything: the furthest is complete below %d, the last row is at %d", furthest[table][p], offset)
			}
		}
	}
	return nil
}

// readStore reads the dump of a store, DIR/stores/INSTANCE/TABLE.N.jsonl.
func (d *dump) readStore(path string) (*localStore, error) {
	relative, err := filepath.Rel(d.dir, path)
	if err != nil {
		return nil, err
	}
	s := &localStore{file: filepath.ToSlash(relative), rows: map[string][]byte{}, index: map[string]bool{}}
	base := strings.TrimSuffix(filepath.Base(path), ".jsonl")
	dot := strings.LastIndexByte(base, '.')
	partition, err := strconv.ParseInt(base[dot+1:], 10, 32)
	if err != nil || dot < 0 {
		return nil, fmt.Errorf("%s: its name is not TABLE.N.jsonl", s.file)
	}
	s.table, s.partition = strings.TrimSuffix(strings.TrimPrefix(base[:dot], d.names.prefix), "-table"), int32(partition)
	return s, history.Read(d.dir, s.file, func(r history.Row) error {
		key, err := base64.StdEncoding.DecodeString(r.Key)
		var value []byte
		if err = errors.Join(err, json.Unmarshal(r.Row, &value)); err != nil || len(key) == 0 {
			return fmt.Errorf("%s: entry %q is not in base64: %w", s.file, r.Key, err)
		}
		switch name := string(key[1:]); key[0] {
		case storedRow:
			s.rows[name] = value
		case storedIndex:
			s.index[name] = true
		case storedReceipt:
			if err := json.Unmarshal(value, &s.receipt); err != nil {
				return fmt.Errorf("%s: receipt: %w", s.file, err)
			}
		default:
			return fmt.Errorf("%s: entry %q is of no known kind", s.file, key)
		}
		return nil
	})
}

func (d *dump) checkStore(s *localStore) {
	compacted := d.topics.Topics[d.names.table(s.table)].Compacted
	want, later := map[string]version{}, map[string]bool{}
	for _, v := range d.histories[s.table] {
		switch {
		case v.partition != s.partition:
		case v.offset < s.receipt.TableNext:
			want[v.key] = v
		default:
			later[v.key] = true
		}
	}
	for _, key := range sortedKeys(s.rows) {
		d.checked(Rebuilt, 1)
		v, known := want[key]
		switch {
		case !known && later[key] && compacted: // the record that it is a copy of is gone
		case !known || v.deleted:
			d.violate(Rebuilt, s.file, "the store has row %q; the table has none below offset %d", key, s.receipt.TableNext)
		case v.sum != maphash.Bytes(seed, s.rows[key]):
			d.violate(Rebuilt, s.file, "row %q is not what the table has at offset %d", key, v.offset)
		}
	}
	for _, key := range sortedKeys(want) {
		if _, has := s.rows[key]; !has && !want[key].deleted {
			d.violate(Rebuilt, s.file, "row %q is missing; the table has it at offset %d, below %d", key, want[key].offset, s.receipt.TableNext)
		}
	}
	if slices.Contains(aggregates, s.table) {
		d.checkIndex(s)
	}
}

// checkIndex checks that an aggregate's store knows the command ids that were answered. Those are kept for days, so none is forgotten in a run.
func (d *dump) checkIndex(s *localStore) {
	if len(s.index) == 0 && s.receipt.IndexNext == 0 {
		return
	}
	want := map[string]*outcome{}
	for _, o := range d.outcomes[s.table] {
		if o.partition == s.partition && !o.repeat && o.offset < s.receipt.IndexNext {
			want[commandKey(o.aggregateID, o.commandID)] = o
		}
	}
	for _, key := range sortedKeys(want) {
		d.checked(Rebuilt, 1)
		if !s.index[key] {
			d.violate(Rebuilt, s.file, "the index does not know command %q of %q, whose outcome is at offset %d, below %d", want[key].commandID, want[key].aggregateID,
				want[key].offset, s.receipt.IndexNext)
		}
	}
	for _, key := range sortedKeys(s.index) {
		if want[key] == nil {
			d.violate(Rebuilt, s.file, "the index has %q, which has no outcome below offset %d", strings.ReplaceAll(key, "\x00", "/"), s.receipt.IndexNext)
		}
	}
}
