package exactlyonce

import (
	"hash/maphash"
	"sync/atomic"
)

// Nearly every look-up in an index is for a missing key: the id of a command that comes for the
// first time. So are many in a table: every transfer is a new one. Asking LevelDB for a missing key
// was the most expensive part of a command, so a filter says no in most cases.

// absence tells which keys a shelf and its store surely do not have. The lane's goroutine adds the
// keys that it handles. Keys stored before the generation are read in the background. Until then
// the answer is always that a key may be there.
type absence struct {
	fresh  keyFilter                 // of the lane's goroutine
	stored atomic.Pointer[keyFilter] // complete and unchanged from then on
}

func (a *absence) add(key string) { a.fresh.add(key) }

// mayHave reports whether there may be a key of that hash. False is certain.
func (a *absence) mayHave(h uint64) bool {
	stored := a.stored.Load()
	if stored == nil {
		return true
	}
	return a.fresh.mayHave(h) || stored.mayHave(h)
}

// readStored adds the keys of the store. It runs beside the lane.
func (l *lane) readStored(s *shelf) {
	f := &keyFilter{}
	looked := 0
	err := l.store.each(s.kind, func(key string, _ []byte) bool {
		f.add(key)
		looked++
		return looked%4096 != 0 || l.gen.ctx.Err() == nil
	})
	switch {
	case err != nil:
		l.log.Warn("cannot read which keys the store has; every look-up asks it from now on", "error", err)
	case l.gen.ctx.Err() == nil:
		s.absence.stored.Store(f)
	}
}

// keyFilter is a Bloom filter that grows: blocks of 512 bits in layers of growing size.
// A key sets six bits of a block. About one missing key in 50 looks as if it were there.
type keyFilter struct {
	layers [][]filterBlock
	left   int // keys that the last layer still takes
	full   bool
}

type filterBlock [8]uint64

const (
	// blocks, of 64 bytes: 24,000 keys in 32 KiB, since a process has a filter or more for each
	// lane
	firstLayer   = 1 << 9
	keysPerBlock = 48
	// largestFilter bounds a filter, in blocks: 64 MiB, 50 million keys. A filter that needs more
	// gives up, and the store is asked.
	largestFilter = 1 << 20
)

var hashSeed = maphash.MakeSeed()

func (f *keyFilter) add(key string) {
	if f.full {
		return
	}
	if f.left == 0 && !f.grow() {
		return
	}
	f.left--
	h := maphash.String(hashSeed, key)
	last := f.layers[len(f.layers)-1]
	block := &last[h%uint64(len(last))]
	for bits := spread(h); bits > 1; bits >>= 9 {
		block[bits>>6&7] |= 1 << (bits & 63)
	}
}

// mayHave asks for the hash of a key.
func (f *keyFilter) mayHave(h uint64) bool {
	if f.full {
		return true
	}
next:
	for _, layer := range f.layers {
		block := &layer[h%uint64(len(layer))]
		for bits := spread(h); bits > 1; bits >>= 9 {
			if block[bits>>6&7]&(1<<(bits&63)) == 0 {
				continue next
			}
		}
		return true
	}
	return false
}

// spread makes six places of nine bits of a hash, apart from those that choose the block. The bit
// above them ends the row.
func spread(h uint64) uint64 {
	h *= 0x9e3779b97f4a7c15
	h ^= h >> 29
	return h&(1<<54-1) | 1<<54
}

// grow adds a layer, or gives up.
func (f *keyFilter) grow() bool {
	blocks, all := firstLayer, 0
	for _, layer := range f.layers {
		blocks, all = 4*len(layer), all+len(layer)
	}
	if all+blocks > largestFilter {
		*f = keyFilter{full: true}
		return false
	}
	f.layers = append(f.layers, make([]filterBlock, blocks))
	f.left = blocks * keysPerBlock
	return true
}
