package views

import (
	"context"
	"fmt"
	"strings"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/topology"
)

// index says what the records of a topic mean for its store. There are two: tableIndex and outcomeIndex.
type index interface {
	// prepare does what may take long, such as decoding, and returns what adds the record's changes to a batch. An error ends the
	// replica's attempt; input never causes one.
	prepare(ctx context.Context, r record) (stage func(*store, *changes) error, err error)
	// load is called with a store that was opened, before anything is prepared for it.
	load(s *store) error
	// forget is called when a store is given up.
	forget()
}

// tableIndex is the index of a table topic: rows by key, and progress.
type tableIndex struct {
	partitions int
	progress   *progress
	ignored    func(r record, why string)
}

func (x *tableIndex) load(s *store) error { return s.vectors(x.note) }

// note accepts stored progress only for partitions that there are: the store's meta record was checked, so others are damage.
func (x *tableIndex) note(partition int32, from source, offset int64) {
	if partition >= 0 && int(partition) < x.partitions {
		x.progress.advance(partition, from, offset)
	}
}

func (x *tableIndex) forget() { x.progress.reset() }

func (x *tableIndex) prepare(_ context.Context, r record) (func(*store, *changes) error, error) {
	if r.progress != nil {
		position, err := foldlog.ParsePosition(string(r.progress))
		if err != nil {
			return x.skip(r, "its progress header: "+err.Error()), nil
		}
		return func(s *store, c *changes) error { return x.stageProgress(s, c, r.partition, position) }, nil
	}
	switch {
	case r.key == "":
		return x.skip(r, "it has no key"), nil
	case strings.HasPrefix(r.key, topology.ProgressPrefix):
		return x.skip(r, "it has the key of a progress record but not its header"), nil
	}
	if home := topology.PartitionOf([]byte(r.key), x.partitions); home != r.partition {
		return x.skip(r, fmt.Sprintf("its key belongs to partition %d: its producer does not partition by murmur2", home)), nil
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

func (x *tableIndex) skip(r record, why string) func(*store, *changes) error {
	return func(_ *store, c *changes) error {
		c.count(kindNameIgnored)
		c.then(func() { x.ignored(r, why) })
		return nil
	}
}

func (x *tableIndex) stageProgress(s *store, c *changes, partition int32, at foldlog.Position) error {
	from := source{at.Aggregate, at.Partition}
	key := progressKey(partition, from)
	have, err := c.get(s, key)
	if err != nil {
		return err
	}
	if have != nil {
		if before, err := decodeInt64(have); err != nil {
			return fmt.Errorf("%w: progress: %w", errDamaged, err)
		} else if before >= at.Offset {
			c.count(kindNameProgress)
			return nil // compaction or a repeated write; progress never goes back
		}
	}
	c.put(key, encodeInt64(at.Offset))
	c.count(kindNameProgress)
	c.then(func() { x.progress.advance(partition, from, at.Offset) })
	return nil
}
