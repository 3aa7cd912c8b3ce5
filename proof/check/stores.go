package check

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/foldlog/foldlog/proof/history"
)

// receipt is what a store says of itself: below which offsets it has everything.
type receipt struct {
	TableNext int64 `json:"table_next"`
	IndexNext int64 `json:"index_next"`
}

// localStore is a processor's store of one partition.
type localStore struct {
	file      string
	owned     bool // its process owned the partition at the end
	table     string
	partition int32
	rows      map[string][]byte
	index     map[string]bool // nil if it was not dumped
	receipt   receipt
}

// checkStores compares local stores with what they are copies of (I11): each with the rows below
// the place that its receipt names; those of owners have all rows, and each partition has one.
func (d *dump) checkStores() error {
	complete := map[string]map[int32]bool{}
	for _, folder := range []string{"stores", "stores-left"} {
		files, err := filepath.Glob(filepath.Join(d.dir, folder, "*", "*.jsonl"))
		if err != nil {
			return err
		}
		slices.Sort(files)
		for _, file := range files {
			s, err := d.readStore(folder, filepath.Base(filepath.Dir(file)), filepath.Base(file))
			switch {
			case err != nil:
				return err
			case d.tables[s.table] == nil:
				d.note(Rebuilt, "%s is the store of no table", s.file)
				continue
			case s.receipt.TableNext == 0 && !s.owned:
				d.note(Rebuilt, "%s has no receipt", s.file)
				continue
			}
			d.checkStore(s)
			if complete[s.table] == nil {
				complete[s.table] = map[int32]bool{}
			}
			complete[s.table][s.partition] = complete[s.table][s.partition] || s.receipt.TableNext > d.lastRow(s.table, s.partition)
		}
	}
	if len(complete) == 0 {
		d.note(Rebuilt, "no local store was dumped")
	}
	for _, table := range sortedKeys(complete) {
		for p := range int32(d.run.Partitions) {
			d.checked(Rebuilt, 1)
			if d.lastRow(table, p) >= 0 && !complete[table][p] {
				d.violate(Rebuilt, fmt.Sprintf("stores of %s.%d", d.names.table(table), p), "no store has all rows of the partition, the last of which is at offset %d", d.lastRow(table, p))
			}
		}
	}
	return nil
}

// lastRow returns the offset of the last row of a table's partition, or -1.
func (d *dump) lastRow(table string, partition int32) int64 {
	for _, v := range slices.Backward(d.histories[table]) {
		if v.partition == partition {
			return v.offset
		}
	}
	return -1
}

// readStore reads the dump of a store: FOLDER/INSTANCE/TABLE.N.jsonl, and what belongs to it in
// indexes and receipts.
func (d *dump) readStore(folder, instance, name string) (*localStore, error) {
	s := &localStore{file: path.Join(folder, instance, name), owned: folder == "stores", rows: map[string][]byte{}}
	base := strings.TrimSuffix(name, ".jsonl")
	dot := strings.LastIndexByte(base, '.')
	partition, err := strconv.ParseInt(base[dot+1:], 10, 32)
	if err != nil || dot < 0 {
		return nil, fmt.Errorf("%s: its name is not TABLE.N.jsonl", s.file)
	}
	s.table, s.partition = strings.TrimSuffix(strings.TrimPrefix(base[:dot], d.names.prefix), "-table"), int32(partition)
	if err := d.readEntries(s.file, func(key string, value []byte) { s.rows[key] = value }); err != nil {
		return nil, err
	}
	index := map[string]bool{}
	switch err := d.readEntries(path.Join("indexes", instance, name), func(key string, _ []byte) { index[key] = true }); {
	case err == nil:
		s.index = index
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if s.owned {
		// an owner has everything, unless its receipt denies it
		s.receipt = receipt{math.MaxInt64, math.MaxInt64}
	}
	return s, optionally(history.Read(d.dir, path.Join("receipts", instance, name), func(r receipt) error { s.receipt = r; return nil }))
}

// readEntries reads keys and values in base64.
func (d *dump) readEntries(file string, each func(key string, value []byte)) error {
	return history.Read(d.dir, file, func(r history.Row) error {
		key, err := base64.StdEncoding.DecodeString(r.Key)
		var value []byte
		if err = errors.Join(err, json.Unmarshal(r.Row, &value)); err != nil {
			return fmt.Errorf("%s: entry %q is not in base64: %w", file, r.Key, err)
		}
		each(string(key), value)
		return nil
	})
}

func (d *dump) checkStore(s *localStore) {
	if last := d.lastRow(s.table, s.partition); s.owned && last >= s.receipt.TableNext {
		d.violate(Rebuilt, s.file, "its owner has everything below offset %d only; the last row is at %d", s.receipt.TableNext, last)
	}
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
	if s.index != nil && slices.Contains(aggregates, s.table) {
		d.checkIndex(s)
	}
}

// checkIndex checks that an aggregate's store knows the command ids that were answered. They are
// kept for the horizon, which no run outlasts unless it says so.
func (d *dump) checkIndex(s *localStore) {
	want := map[string]*outcome{}
	for _, o := range d.outcomes[s.table] {
		if o.partition == s.partition && !o.repeat && o.offset < s.receipt.IndexNext {
			want[commandKey(o.aggregateID, o.commandID)] = o
		}
	}
	for _, key := range sortedKeys(want) {
		if d.run.Settings["horizon"] != "" {
			break // some may be forgotten by now
		}
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
