package views

import (
	"context"
	"fmt"
	"strings"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/localdb"
	"github.com/foldlog/foldlog/topology"
)

// index defines the meaning of a topic's records for its store. There are three: tableIndex,
// outcomeIndex and historyIndex.
type index interface {
	// prepare does the slow part, such as decoding, and returns a function that adds the record's
	// changes to a batch. An error ends the replica's attempt; input never causes one.
	prepare(ctx context.Context, r record) (stage func(*store, *changes) error, err error)
	// load is called with an opened store, before anything is prepared for it.
	load(s *store) error
	// forget is called when a store is given up.
	forget()
}

// skip counts and reports a record of a wrong form.
func skip(r record, why string, ignored func(record, string)) func(*store, *changes) error {
	return func(_ *store, c *changes) error {
		c.count(kindNameIgnored)
		c.then(func() { ignored(r, why) })
		return nil
	}
}

// progressIndex is the part of an index that knows the progress of each partition.
type progressIndex struct {
	partitions int
	progress   *progress
}

func (x *progressIndex) load(s *store) error { return s.vectors(x.note) }

// note accepts stored progress only for existing partitions. The store's meta record was checked,
// so any other is damage.
func (x *progressIndex) note(partition int32, from source, offset int64) {
	if partition >= 0 && int(partition) < x.partitions {
		x.progress.advance(partition, from, offset)
	}
}

func (x *progressIndex) forget() { x.progress.reset() }

// stage notes that the partition has everything up to a position. Progress never goes back,
// although compaction or a repeated write can bring an older one.
func (x *progressIndex) stage(s *store, c *changes, partition int32, at foldlog.Position) error {
	from := source{at.Aggregate, at.Partition}
	key := progressKey(partition, from)
	have, err := c.get(s, key)
	if err != nil {
		return err
	}
	if have != nil {
		if before, err := decodeInt64(have); err != nil {
			return fmt.Errorf("%w: progress: %w", localdb.ErrDamaged, err)
		} else if before >= at.Offset {
			return nil
		}
	}
	c.put(key, encodeInt64(at.Offset))
	c.then(func() { x.progress.advance(partition, from, at.Offset) })
	return nil
}

// homeless says why a key cannot stand in a partition; "" if it can.
func (x *progressIndex) homeless(key string, partition int32) string {
	if home := topology.PartitionOf([]byte(key), x.partitions); home != partition {
		return fmt.Sprintf("its key belongs to partition %d: its producer does not partition by murmur2", home)
	}
	return ""
}

// tableIndex is the index of a table topic: rows by key, and progress.
type tableIndex struct {
	progressIndex
	ignored func(r record, why string)
}

func (x *tableIndex) prepare(_ context.Context, r record) (func(*store, *changes) error, error) {
	if r.progress != nil {
		position, err := foldlog.ParsePosition(string(r.progress))
		if err != nil {
			return skip(r, "its progress header: "+err.Error(), x.ignored), nil
		}
		return func(s *store, c *changes) error {
			c.count(kindNameProgress)
			return x.stage(s, c, r.partition, position)
		}, nil
	}
	switch {
	case r.key == "":
		return skip(r, "it has no key", x.ignored), nil
	case strings.HasPrefix(r.key, topology.ProgressPrefix):
		return skip(r, "it has the key of a progress record but not its header", x.ignored), nil
	}
	if why := x.homeless(r.key, r.partition); why != "" {
		return skip(r, why, x.ignored), nil
	}
	return func(_ *store, c *changes) error {
		if r.value == nil {
			c.remove(rowKey(r.key))
			c.count(kindNameTombstone)
			return nil
		}
		c.put(rowKey(r.key), r.value)
		c.count(kindNameRow)
		return nil
	}, nil
}
