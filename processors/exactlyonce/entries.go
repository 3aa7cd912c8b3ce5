package exactlyonce

import (
	"sync/atomic"
)

// Kinds of stored keys. They keep rows, index entries and the store's own receipt apart.
//
// NB: must not change. Stores contain them.
const (
	kindRow   byte = 'r'
	kindIndex byte = 'i'
	kindMeta  byte = 'm'
)

// entry is everything that is known of one key: the value for the next handler call, the change
// that waits for the store, and the cached value. There is one entry for a key, so that a command
// costs one look-up.
type entry struct {
	kind byte
	key  string
	// value is the newest value, committed or not; nil if there is none. Only the lane's goroutine
	// uses it.
	value any
	size  int64
	hot   bool

	// batch is the batch in which the entry was changed last, and slot its place there. They belong
	// to the lane's goroutine.
	batch *batch
	slot  int

	// uses counts the batches and the store's queue that still need the entry. It leaves zero only
	// on the lane's goroutine, so an entry that this goroutine sees as unused may be evicted.
	uses atomic.Int32

	// The store's lock guards these fields: committed changes that wait for the store.
	committed []byte
	queued    bool
}

// entryOverhead is roughly the memory of an entry beyond key and value.
const entryOverhead = 200

// shelf holds entries by key: an overlay of uncommitted values, a buffer of values that are not
// stored yet, and a cache of the rest. One goroutine uses it.
type shelf struct {
	kind    byte
	entries map[string]*entry
	ring    []*entry
	hand    int
	bytes   int64
	limit   int64
	absence absence
}

func newShelf(kind byte, limit int64) *shelf {
	return &shelf{kind: kind, entries: map[string]*entry{}, limit: limit}
}

// get returns the entry of a key, or nil.
func (s *shelf) get(key []byte) *entry {
	e := s.entries[string(key)]
	if e != nil {
		e.hot = true
	}
	return e
}

// add puts in the entry of a key that has none yet.
func (s *shelf) add(key string, value any, size int) *entry {
	e := &entry{kind: s.kind, key: key, value: value, size: int64(len(key)+size) + entryOverhead, hot: true}
	s.bytes += e.size
	if s.bytes > s.limit {
		s.evict() // before e is among those that may go: nothing needs it yet
	}
	s.entries[key] = e
	s.ring = append(s.ring, e)
	return e
}

// set gives an entry a new value in a batch. Of several values in one batch the last remains.
func (s *shelf) set(e *entry, value any, encoded []byte, b *batch) {
	if e.value == nil {
		s.absence.add(e.key)
	}
	size := int64(len(e.key)+len(encoded)) + entryOverhead
	s.bytes += size - e.size
	e.value, e.size, e.hot = value, size, true
	changes := &b.rows
	if s.kind == kindIndex {
		changes = &b.index
	}
	if e.batch == b {
		(*changes)[e.slot].encoded = encoded
		return
	}
	e.uses.Add(1)
	e.batch, e.slot = b, len(*changes)
	*changes = append(*changes, change{e, encoded})
}

// evict forgets entries that nothing needs and nobody asked for lately. It forgets a few at a time:
// the hand of a clock passes over the ring.
func (s *shelf) evict() {
	for steps := 0; s.bytes > s.limit && steps < 64 && len(s.ring) > 0; steps++ {
		if s.hand >= len(s.ring) {
			s.hand = 0
		}
		e := s.ring[s.hand]
		switch {
		case e.uses.Load() > 0:
			s.hand++
		case e.hot:
			e.hot = false
			s.hand++
		default:
			last := len(s.ring) - 1
			s.ring[s.hand], s.ring[last] = s.ring[last], nil
			s.ring = s.ring[:last]
			delete(s.entries, e.key)
			s.bytes -= e.size
		}
	}
}
