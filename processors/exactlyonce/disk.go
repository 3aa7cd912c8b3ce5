package exactlyonce

import (
	"fmt"
	"os"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/foldlog/foldlog/internal/localdb"
)

// disk holds the local stores. It is the seam behind which the simulation keeps stores in memory,
// and loses or damages them.
type disk interface {
	// open opens the store at a path, or a new one if there is none. It fails with
	// localdb.ErrDamaged if the store cannot be used.
	open(path string) (db database, existed bool, err error)
	remove(path string) error
	// setAside keeps a damaged store for an examination. Afterwards there is none at the path.
	setAside(path string) error
}

// database is the part of LevelDB that stores use. A batch is written completely or not at all.
type database interface {
	Get(key []byte, ro *opt.ReadOptions) ([]byte, error)
	Write(b *leveldb.Batch, wo *opt.WriteOptions) error
	NewIterator(r *util.Range, ro *opt.ReadOptions) iterator.Iterator
	Close() error
}

// folder is a disk whose paths are folders of LevelDB.
type folder struct{}

func (folder) open(path string) (database, bool, error) {
	_, err := os.Stat(path)
	existed := err == nil
	db, err := localdb.Open(path, opt.Options{BlockCacheCapacity: 8 << 20, OpenFilesCacheCapacity: 64, CompactionTableSize: 4 << 20})
	if err != nil {
		return nil, existed, err
	}
	return db, existed, nil
}

func (folder) remove(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("remove the local store: %w", err)
	}
	return nil
}

func (folder) setAside(path string) error {
	_, err := localdb.SetAside(path)
	return err
}
