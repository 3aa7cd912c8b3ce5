package replay

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"
)

// budget bounds what the shelves of one piece of work hold in memory together. It belongs to one goroutine.
type budget struct {
	dir     string // made when something is spilled
	limit   int64
	used    int64
	shelves []spiller
}

type spiller interface {
	held() int64
	spill() error
	close()
}

// close removes what was spilled.
func (b *budget) close() {
	for _, s := range b.shelves {
		s.close()
	}
	_ = os.RemoveAll(b.dir) // a temporary directory that stays is untidy, nothing more
}

// keep lets the largest shelf spill where all together hold too much.
func (b *budget) keep() error {
	for b.used > b.limit {
		largest := slices.MaxFunc(b.shelves, func(x, y spiller) int { return int(x.held() - y.held()) })
		if largest.held() == 0 {
			return nil
		}
		if err := largest.spill(); err != nil {
			return err
		}
	}
	return nil
}

// shelfKey is what a shelf can be ordered by. Where there is one for every command, a digest holds no pointers for the garbage collector to follow.
type shelfKey interface{ string | digest }

// digest identifies a text among all others of this process.
type digest [16]byte

// digestOf returns the digest of some texts in their order. It hashes twice, with seeds of this process: that two of 10^9 are the same
// happens once in 10^20 runs.
func digestOf(texts ...string) (d digest) {
	for i, seed := range digestSeeds {
		var h maphash.Hash
		h.SetSeed(seed)
		for _, text := range texts {
			_, _ = h.WriteString(text) // a hash takes everything
			_ = h.WriteByte(0)
		}
		binary.BigEndian.PutUint64(d[8*i:], h.Sum64())
	}
	return d
}

var digestSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// shelf keeps a value for each key: in memory, and beyond its budget encoded in LevelDB.
type shelf[K shelfKey, V any] struct {
	name   string
	budget *budget
	most   int64 // of the budget; 0 for all of it
	memory map[K]V
	size   int64
	db     *leveldb.DB
	encode func(V) ([]byte, error)
	decode func([]byte) (V, error)
}

func newShelf[K shelfKey, V any](b *budget, name string, encode func(V) ([]byte, error), decode func([]byte) (V, error)) *shelf[K, V] {
	s := &shelf[K, V]{name: name, budget: b, memory: map[K]V{}, encode: encode, decode: decode}
	b.shelves = append(b.shelves, s)
	return s
}

func (s *shelf[K, V]) held() int64 { return s.size }

func (s *shelf[K, V]) bytes(key K) []byte {
	switch k := any(key).(type) {
	case string:
		return []byte(k)
	case digest:
		return k[:]
	}
	return nil
}

func weight[K shelfKey](key K) int {
	if text, ok := any(key).(string); ok {
		return len(text)
	}
	return len(digest{})
}

// overhead is about what an entry of a map costs beside its key and value.
const overhead = 64

// put keeps a value of about so many bytes. A value that was got and changed must be put again: meanwhile it may have been spilled as it was.
func (s *shelf[K, V]) put(key K, v V, bytes int) error {
	_, had := s.memory[key]
	s.memory[key] = v
	if had {
		return nil
	}
	return s.grow(bytes + weight(key) + overhead)
}

// grow counts what a value that is there already has become larger by.
func (s *shelf[K, V]) grow(bytes int) error {
	s.size += int64(bytes)
	if s.budget.used += int64(bytes); s.most > 0 && s.size > s.most {
		return s.spill()
	}
	return s.budget.keep()
}

// get returns the key's value; ok is false where there is none.
func (s *shelf[K, V]) get(key K) (v V, ok bool, err error) {
	if v, ok = s.memory[key]; ok || s.db == nil {
		return v, ok, nil
	}
	raw, err := s.db.Get(s.bytes(key), nil)
	if err == leveldb.ErrNotFound {
		return v, false, nil
	}
	if err == nil {
		v, err = s.decode(raw)
	}
	if err != nil {
		return v, false, fmt.Errorf("read back what was spilled of %s: %w", s.name, err)
	}
	return v, true, nil
}

// each calls visit with every key of a shelf in byte order and its value. Nothing may be put meanwhile.
func each[V any](s *shelf[string, V], visit func(key string, v V) error) error {
	if s.db == nil {
		for _, key := range slices.Sorted(maps.Keys(s.memory)) {
			if err := visit(key, s.memory[key]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.spill(); err != nil {
		return err
	}
	all := s.db.NewIterator(nil, nil)
	defer all.Release()
	for all.Next() {
		v, err := s.decode(slices.Clone(all.Value()))
		if err != nil {
			return fmt.Errorf("read back what was spilled of %s: %w", s.name, err)
		}
		if err := visit(string(all.Key()), v); err != nil {
			return err
		}
	}
	return all.Error()
}

// spill moves what is in memory to the disk.
func (s *shelf[K, V]) spill() error {
	if s.db == nil {
		if err := os.MkdirAll(s.budget.dir, 0o700); err != nil {
			return fmt.Errorf("directory for what does not fit into memory: %w", err)
		}
		db, err := leveldb.OpenFile(filepath.Join(s.budget.dir, s.name), &opt.Options{
			Filter: filter.NewBloomFilter(10), NoSync: true, WriteBuffer: 2 << 20, BlockCacheCapacity: 2 << 20, OpenFilesCacheCapacity: 64,
		})
		if err != nil {
			return fmt.Errorf("spill %s: %w", s.name, err)
		}
		s.db = db
	}
	batch := new(leveldb.Batch)
	for key, v := range s.memory {
		raw, err := s.encode(v)
		if err != nil {
			return fmt.Errorf("spill %s: %w", s.name, err)
		}
		batch.Put(s.bytes(key), raw)
		if batch.Len() >= 1000 {
			if err := s.db.Write(batch, nil); err != nil {
				return fmt.Errorf("spill %s: %w", s.name, err)
			}
			batch.Reset()
		}
	}
	if err := s.db.Write(batch, nil); err != nil {
		return fmt.Errorf("spill %s: %w", s.name, err)
	}
	clear(s.memory)
	s.budget.used -= s.size
	s.size = 0
	return nil
}

func (s *shelf[K, V]) close() {
	if s.db != nil {
		_ = s.db.Close() // what it holds is thrown away
	}
}
