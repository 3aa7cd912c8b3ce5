package exactlyonce

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
)

// keeping is a disk whose databases stay open when they are closed, until they are opened again or
// the attempt ends. Most partitions stay where they are in a rebalance. Opening LevelDB costs two
// write buffers, a replay of its journal and a new table: tens of milliseconds for each partition
// of each group while everybody waits. It is safe for concurrent use.
type keeping struct {
	disk disk

	mu      sync.Mutex
	kept    map[string]*keptDatabase // closed by their users, open on the disk
	closing map[string]chan struct{} // being closed on the disk
	ended   bool
}

func newKeeping(d disk) *keeping {
	return &keeping{disk: d, kept: map[string]*keptDatabase{}, closing: map[string]chan struct{}{}}
}

// keptDatabase is a database that is kept when it is closed.
type keptDatabase struct {
	database
	keeping *keeping
	path    string
	// After a failed write, LevelDB takes no more writes until it is opened anew.
	broken atomic.Bool
}

func (db *keptDatabase) Write(b *leveldb.Batch, wo *opt.WriteOptions) error {
	err := db.database.Write(b, wo)
	if err != nil {
		db.broken.Store(true)
	}
	return err
}

func (db *keptDatabase) Close() error {
	k := db.keeping
	k.mu.Lock()
	keep := !k.ended && !db.broken.Load()
	if keep {
		k.kept[db.path] = db
	}
	k.mu.Unlock()
	if keep {
		return nil
	}
	return db.database.Close()
}

func (k *keeping) open(path string) (database, bool, error) {
	k.mu.Lock()
	db, closing := k.kept[path], k.closing[path]
	delete(k.kept, path)
	k.mu.Unlock()
	if db != nil {
		return db, true, nil
	}
	if closing != nil {
		<-closing
	}
	opened, existed, err := k.disk.open(path)
	if err != nil {
		return nil, existed, err
	}
	return &keptDatabase{database: opened, keeping: k, path: path}, existed, nil
}

func (k *keeping) remove(path string) error {
	err := k.closeIf(func(kept string) bool { return kept == path })
	return errors.Join(err, k.disk.remove(path))
}

func (k *keeping) setAside(path string) error {
	_ = k.closeIf(func(kept string) bool { return kept == path }) // it is damaged
	return k.disk.setAside(path)
}

// end closes all kept databases, and keeps none from now on.
func (k *keeping) end() error {
	k.mu.Lock()
	k.ended = true
	k.mu.Unlock()
	return k.closeIf(func(string) bool { return true })
}

// closeIf closes the kept databases at some of the paths.
func (k *keeping) closeIf(chosen func(path string) bool) error {
	k.mu.Lock()
	var all []*keptDatabase
	for path, db := range k.kept {
		if chosen(path) {
			all = append(all, db)
			delete(k.kept, path)
			k.closing[path] = make(chan struct{})
		}
	}
	k.mu.Unlock()
	var errs []error
	for _, db := range all {
		errs = append(errs, db.database.Close())
		k.mu.Lock()
		close(k.closing[db.path])
		delete(k.closing, db.path)
		k.mu.Unlock()
	}
	return errors.Join(errs...)
}
