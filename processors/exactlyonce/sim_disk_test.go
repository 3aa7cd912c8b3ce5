package exactlyonce

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/foldlog/foldlog/internal/localdb"
)

// simDisk is a disk in memory. What was written survives its process.
type simDisk struct {
	sim       *sim
	instance  string
	databases map[string]*simDatabase
	paths     []string // in the order in which they came
}

func (d *simDisk) open(path string) (database, bool, error) {
	db, existed := d.databases[path]
	switch {
	case !existed:
		db = &simDatabase{disk: d, path: path, content: map[string][]byte{}}
		if _, known := d.databases[path]; !known {
			d.paths = append(d.paths, path)
		}
		d.databases[path] = db
	case db.damaged:
		return nil, true, fmt.Errorf("%w: the simulation damaged it", localdb.ErrDamaged)
	case db.opened:
		return nil, true, errors.New("file already open")
	}
	db.opened = true
	return db, existed, nil
}

func (d *simDisk) remove(path string) error {
	delete(d.databases, path)
	for i, p := range d.paths {
		if p == path {
			d.paths = append(d.paths[:i:i], d.paths[i+1:]...)
			break
		}
	}
	return nil
}

func (d *simDisk) setAside(path string) error { return d.remove(path) }

// crash is what a disk sees of its process's end.
func (d *simDisk) crash() {
	for _, db := range d.databases {
		db.opened = false
	}
}

// simDatabase is a database of a simDisk. The filter of absent keys reads it beside the tasks; it
// changes what is asked of the store, never the answer.
type simDatabase struct {
	disk    *simDisk
	path    string
	mu      sync.Mutex
	content map[string][]byte
	opened  bool
	damaged bool
}

func (db *simDatabase) Get(key []byte, _ *opt.ReadOptions) ([]byte, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	value, ok := db.content[string(key)]
	if !ok {
		return nil, leveldb.ErrNotFound
	}
	return value, nil
}

// NewIterator goes over a copy of what there is.
func (db *simDatabase) NewIterator(r *util.Range, _ *opt.ReadOptions) iterator.Iterator {
	var copied simRows
	db.mu.Lock()
	defer db.mu.Unlock()
	for key, value := range db.content {
		if r == nil || key >= string(r.Start) && (r.Limit == nil || key < string(r.Limit)) {
			copied = append(copied, [2][]byte{[]byte(key), value})
		}
	}
	slices.SortFunc(copied, func(a, b [2][]byte) int { return bytes.Compare(a[0], b[0]) })
	return iterator.NewArrayIterator(copied)
}

// simRows are keys and values in order.
type simRows [][2][]byte

func (r simRows) Len() int { return len(r) }
func (r simRows) Search(key []byte) int {
	at, _ := slices.BinarySearchFunc(r, key, func(row [2][]byte, key []byte) int { return bytes.Compare(row[0], key) })
	return at
}
func (r simRows) Index(i int) (key, value []byte) { return r[i][0], r[i][1] }

func (db *simDatabase) Close() error {
	db.opened = false
	return nil
}

// Write may be cut off by a crash before or after it, never in the middle.
func (db *simDatabase) Write(b *leveldb.Batch, _ *opt.WriteOptions) error {
	s := db.disk.sim
	s.yield("write the store")
	if err := b.Replay(simReplay{db}); err != nil {
		return err
	}
	s.yield("wrote the store")
	return nil
}

type simReplay struct{ db *simDatabase }

func (r simReplay) Put(key, value []byte) {
	r.db.disk.sim.checkStored(r.db.path, key, value)
	r.db.mu.Lock()
	defer r.db.mu.Unlock()
	r.db.content[string(key)] = bytes.Clone(value)
}

func (r simReplay) Delete(key []byte) {
	r.db.disk.sim.checkStored(r.db.path, key, nil)
	r.db.mu.Lock()
	defer r.db.mu.Unlock()
	delete(r.db.content, string(key))
}
