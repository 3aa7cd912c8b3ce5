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

// entry is all that is known of one key: what the next handler call sees, what waits to be written
// to the store, and what is cached of it. There is one entry for a key, so that a command costs one
// look-up.
type entry struct {
	kind byte
	key  string
	// value is the newest value, committed or not; nil where there is none. Only the lane's
	// goroutine uses it.
	value any
	size  int64
	hot   bool

	// batch is the batch that the entry is changed in last, and slot its place there. They belong
	// to the lane's goroutine.
	batch *batch
	slot  int

	// uses counts the batches and the store's queue that still need the entry. It leaves zero on
	// the lane's goroutine only, so that what this goroutine sees as unused may be evicted.
	uses atomic.Int32

	// The store's lock guards these: what is committed and waits for the store.
	committed []byte
	queued    bool
}

// entryOverhead is about what an entry costs beyond key and value.
const entryOverhead = 200

// shelf holds entries by key: overlay of what is not committed, buffer of what is not stored, and
// cache of the rest. One goroutine uses it.
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

// add puts a key's entry in. The key has none yet.
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

// set gives an entry a new value in a batch. Of several in one batch the last remains.
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

// evict forgets entries that nothing needs and nobody asked for lately, a few at a time: the hand
// of a clock passes over the ring.
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
