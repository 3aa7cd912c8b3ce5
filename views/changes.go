package views

import (
	"maps"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
)

// record is a record of a replicated topic, independent of the client that read it.
type record struct {
	partition int32
	offset    int64
	key       string
	value     []byte // nil deletes
	progress  []byte // header foldlog-progress, nil if there is none
	cause     []byte // header foldlog-cause, nil if there is none
	chain     []byte // header foldlog-chain, nil if there is none
}

// Kinds of records, as metrics name them.
const (
	kindNameRow       = "row"
	kindNameTombstone = "tombstone"
	kindNameProgress  = "progress"
	kindNameOutcome   = "outcome"
	kindNameRepeat    = "repeat"
	kindNameEvent     = "event"
	kindNameIgnored   = "ignored"
)

// changes collects the changes that records make in a store, so that they are written in one batch:
// the last value for each key, with the positions behind the records. It is used by one goroutine.
type changes struct {
	writes map[string][]byte // nil deletes
	next   map[int32]int64   // by partition
	counts map[string]int    // by kind
	after  []func()          // run in order when everything is on disk
	bytes  int
}

func newChanges() *changes {
	return &changes{writes: map[string][]byte{}, next: map[int32]int64{}, counts: map[string]int{}}
}

func (c *changes) put(key, value []byte) {
	if value == nil {
		value = []byte{}
	}
	c.writes[string(key)] = value
	c.bytes += len(key) + len(value)
}

func (c *changes) remove(key []byte) {
	c.writes[string(key)] = nil
	c.bytes += len(key)
}

// get returns the value that a key will have, or nil if it will have none.
func (c *changes) get(s *store, key []byte) ([]byte, error) {
	if value, changed := c.writes[string(key)]; changed {
		return value, nil
	}
	return s.get(key)
}

// reach notes that all records before next are applied in the partition.
func (c *changes) reach(partition int32, next int64) {
	c.next[partition] = max(next, c.next[partition])
}

// count counts a record, even if it changes nothing.
func (c *changes) count(kind string) { c.counts[kind]++ }

// then runs f once the batch is on disk.
func (c *changes) then(f func()) { c.after = append(c.after, f) }

// batch returns everything as one LevelDB batch, keys in order, which LevelDB writes fastest.
func (c *changes) batch() *leveldb.Batch {
	var batch leveldb.Batch
	for _, key := range slices.Sorted(maps.Keys(c.writes)) {
		if value := c.writes[key]; value == nil {
			batch.Delete([]byte(key))
		} else {
			batch.Put([]byte(key), value)
		}
	}
	for _, partition := range slices.Sorted(maps.Keys(c.next)) {
		batch.Put(positionKey(partition), encodeInt64(c.next[partition]))
	}
	return &batch
}

// reset empties the collection.
func (c *changes) reset() {
	clear(c.writes)
	clear(c.next)
	clear(c.counts)
	clear(c.after)
	c.after = c.after[:0]
	c.bytes = 0
}
