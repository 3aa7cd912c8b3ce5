package views

import (
	"context"
	"slices"

	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/topology"
)

// Bounds of a page.
const (
	// DefaultLimit is the number of rows in a page if none is asked for.
	DefaultLimit = 100
	// MaxLimit is the largest number of rows in a page.
	MaxLimit = 1000
	// maxPageBytes ends a page early, so that large rows do not make a large answer. A page has at
	// least one row.
	maxPageBytes = 8 << 20
)

// Table is the table of an aggregate type or a projection. It is safe for concurrent use.
type Table struct {
	follower
	version int  // of the projection; 0 for an aggregate type's table
	rekeyed bool // rows follow from events of any source partition
	decode  func(ctx context.Context, value []byte) (any, error)
}

// Version returns the version of the projection that the rows belong to; 0 for an aggregate type's
// table.
func (t *Table) Version() int { return t.version }

// Row is a row of a table.
type Row struct {
	Key string
	// Value is a codecs.State for an aggregate type's table, otherwise the projection's row. It is
	// nil if there is no row.
	Value any
	Found bool
	// Position is contained in the row: it covers the commands whose effects the row shows.
	Position foldlog.Token
}

// ListQuery selects a page of rows.
type ListQuery struct {
	// Prefix is what keys must start with; "" selects all.
	Prefix string
	// After is the key behind which the page starts: Next of the page before it, or "" for the
	// first one.
	After string
	// Limit is the largest number of rows; 0 means DefaultLimit, and more than MaxLimit means
	// MaxLimit.
	Limit int
	// Token must be visible in the page.
	Token foldlog.Token
}

// Page is a page of rows in byte order of their keys, over all partitions.
type Page struct {
	Rows []Row
	// Next is the key to give as After for the next page; "" if this is the last one. A page of
	// large rows may be shorter than asked for and still have a next one.
	Next string
	// Position is contained in the page.
	Position foldlog.Token
}

// Get returns the row of a key once after is visible. Found is false if there is none.
//
// Of after, only the entries of the table's own aggregate type count: a table cannot know of
// others. If the key is the aggregate's id, entries of partitions that cannot hold it are ignored,
// too.
//
// It fails with ErrNotReady, and with a RowError if the row cannot be decoded. It fails with
// ErrNotYetVisible if ctx ends before after is visible, and at once if it never can be.
func (t *Table) Get(ctx context.Context, key string, after foldlog.Token) (Row, error) {
	q := topology.PartitionOf([]byte(key), t.replica.partitions)
	if err := t.await(ctx, after, func(e foldlog.Position) []int32 {
		if t.rekeyed || e.Partition == q {
			return []int32{q}
		}
		return nil
	}); err != nil {
		return Row{}, err
	}
	row := Row{Key: key}
	var raw []byte
	err := t.replica.use(func(s *store) (err error) {
		// The position comes first: a later write may be in the row and not in the position, never
		// the other way round.
		row.Position = t.token(t.progress.of(q, t.source))
		raw, err = s.get(rowKey(key))
		return err
	})
	if err != nil || raw == nil {
		return row, err
	}
	if row.Value, err = t.decode(ctx, raw); err != nil {
		return Row{}, &RowError{Topic: t.replica.topic, Partition: q, Key: key, Err: err}
	}
	row.Found = true
	return row, nil
}

// List returns a page of rows once the query's token is visible in all partitions. Entries of other
// aggregate types than the table's are ignored. It fails as Get does; one row that cannot be
// decoded fails its whole page.
func (t *Table) List(ctx context.Context, q ListQuery) (Page, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	limit = min(limit, MaxLimit)
	if err := t.await(ctx, q.Token, func(e foldlog.Position) []int32 {
		if !t.rekeyed {
			return []int32{e.Partition}
		}
		all := make([]int32, t.replica.partitions)
		for p := range all {
			all[p] = int32(p)
		}
		return all
	}); err != nil {
		return Page{}, err
	}
	var page Page
	var raws [][]byte
	err := t.replica.use(func(s *store) error {
		page.Position = t.listPosition()
		var err error
		page.Rows, raws, page.Next, err = scan(s, q.Prefix, q.After, limit)
		return err
	})
	if err != nil {
		return Page{}, err
	}
	for i := range page.Rows {
		row := &page.Rows[i]
		p := topology.PartitionOf([]byte(row.Key), t.replica.partitions)
		if row.Value, err = t.decode(ctx, raws[i]); err != nil {
			return Page{}, &RowError{Topic: t.replica.topic, Partition: p, Key: row.Key, Err: err}
		}
		row.Found, row.Position = true, page.Position
	}
	return page, nil
}

// scan returns up to limit rows in their stored form, and the key to go on behind. One store has
// all partitions, so this is one ordered scan.
func scan(s *store, prefix, after string, limit int) (rows []Row, raws [][]byte, next string, err error) {
	bounds := util.BytesPrefix(rowKey(prefix))
	if start := append(rowKey(after), 0); after != "" && string(start) > string(bounds.Start) {
		bounds.Start = start
	}
	iter := s.db.NewIterator(bounds, nil)
	defer iter.Release()
	size := 0
	for iter.Next() {
		if len(rows) == limit || size >= maxPageBytes {
			next = rows[len(rows)-1].Key
			break
		}
		rows = append(rows, Row{Key: string(iter.Key()[1:])})
		raws = append(raws, slices.Clone(iter.Value()))
		size += len(iter.Value())
	}
	return rows, raws, next, s.failure("scan", iter.Error())
}

// listPosition returns the progress that every partition has. In a table that is not re-keyed, each
// source partition counts by the one partition that follows from it. Otherwise the least of all
// counts.
func (t *Table) listPosition() foldlog.Token {
	if !t.rekeyed {
		return t.ownPosition()
	}
	vector := t.progress.of(0, t.source)
	for q := int32(1); int(q) < t.replica.partitions; q++ {
		reached := t.progress.of(q, t.source)
		for p, offset := range vector {
			if other, ok := reached[p]; ok {
				vector[p] = min(offset, other)
			} else {
				delete(vector, p)
			}
		}
	}
	return t.token(vector)
}
