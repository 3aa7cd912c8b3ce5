package kit

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/foldlog/foldlog/internal/localdb"
)

// Budget bounds the memory of one piece of work: that of all its shelves together. It belongs to
// one goroutine.
type Budget struct {
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

// NewBudget returns a budget of so many bytes that spills into a directory. The directory need not
// exist.
func NewBudget(dir string, limit int64) *Budget { return &Budget{dir: dir, limit: limit} }

// Close removes spilled data.
func (b *Budget) Close() {
	for _, s := range b.shelves {
		s.close()
	}
	_ = os.RemoveAll(b.dir) // a temporary directory that stays is untidy, nothing more
}

// Reserve takes a part of the budget for something that is no shelf, and returns its bytes.
func (b *Budget) Reserve(part int64) int64 {
	share := b.limit / part
	b.limit -= share
	return share
}

// Path returns a place to spill something, in a directory that is there.
func (b *Budget) Path(name string) (string, error) {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return "", fmt.Errorf("directory for what does not fit into memory: %w", err)
	}
	return filepath.Join(b.dir, name), nil
}

// keep lets the largest shelf spill while all together hold too much.
func (b *Budget) keep() error {
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

// Shelf keeps a value for each key: in memory, and beyond its budget encoded in LevelDB.
type Shelf[V any] struct {
	name   string
	budget *Budget
	memory map[string]kept[V]
	size   int64
	extra  int // what a value takes in memory beside twice its encoding
	db     *leveldb.DB
	encode func(V) ([]byte, error)
	decode func([]byte) (V, error)
}

// kept is a value in memory, with its approximate size there.
type kept[V any] struct {
	value V
	bytes int32
	puts  int32
}

// NewShelf returns an empty shelf. Extra is about how many bytes a value takes in memory beside
// twice its encoding.
func NewShelf[V any](b *Budget, name string, extra int, encode func(V) ([]byte, error), decode func([]byte) (V, error)) *Shelf[V] {
	s := &Shelf[V]{name: name, extra: extra, budget: b, memory: map[string]kept[V]{}, encode: encode, decode: decode}
	b.shelves = append(b.shelves, s)
	return s
}

func (s *Shelf[V]) held() int64 { return s.size }

// overhead is the approximate cost of a map entry beside its key and value.
const overhead = 64

// Put keeps a value. One that was got and changed must be put again: meanwhile it may have been
// spilled as it was. Values grow, and measuring is encoding, so one is measured at every power of
// two of puts.
func (s *Shelf[V]) Put(key string, v V) error {
	k := s.memory[key]
	before := k.bytes
	k.value = v
	if k.puts++; k.puts&(k.puts-1) == 0 {
		k.bytes = int32(overhead + len(key) + s.extra)
		if raw, err := s.encode(v); err == nil { // or it is an error when it is spilled
			k.bytes += int32(2 * len(raw))
		}
	}
	s.memory[key] = k
	s.size += int64(k.bytes - before)
	s.budget.used += int64(k.bytes - before)
	return s.budget.keep()
}

// Get returns the key's value; ok is false if there is none.
func (s *Shelf[V]) Get(key string) (v V, ok bool, err error) {
	if k, ok := s.memory[key]; ok || s.db == nil {
		return k.value, ok, nil
	}
	raw, err := localdb.Get(s.db, []byte(key))
	if err == nil && raw == nil {
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

// Each calls visit with every key in byte order and its value. Nothing may be put meanwhile.
func (s *Shelf[V]) Each(visit func(key string, v V) error) error {
	if s.db == nil {
		for _, key := range slices.Sorted(maps.Keys(s.memory)) {
			if err := visit(key, s.memory[key].value); err != nil {
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

// spill moves the values in memory to the disk.
func (s *Shelf[V]) spill() error {
	if err := s.write(); err != nil {
		return fmt.Errorf("spill %s: %w", s.name, err)
	}
	clear(s.memory)
	s.budget.used -= s.size
	s.size = 0
	return nil
}

func (s *Shelf[V]) write() (err error) {
	if s.db == nil {
		path, err := s.budget.Path(s.name)
		if err != nil {
			return err
		}
		s.db, err = localdb.Scratch(path)
		if err != nil {
			return err
		}
	}
	batch := new(leveldb.Batch)
	for key, k := range s.memory {
		raw, err := s.encode(k.value)
		if err != nil {
			return err
		}
		if batch.Put([]byte(key), raw); batch.Len() >= 1000 {
			if err := s.db.Write(batch, nil); err != nil {
				return err
			}
			batch.Reset()
		}
	}
	return s.db.Write(batch, nil)
}

func (s *Shelf[V]) close() {
	if s.db != nil {
		_ = s.db.Close() // what it holds is thrown away
	}
}
