package exactlyonce

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	dberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// disk is where local stores lie: the seam behind which the simulation keeps them in memory, and
// loses or damages them.
type disk interface {
	// open opens the store at a path, or a new one where there is none.
	open(path string) (db database, existed bool, err error)
	remove(path string) error
	// setAside keeps a damaged store for whoever wants to know why. Afterwards there is none at the
	// path.
	setAside(path string) error
}

// database is what stores use of LevelDB. A batch is written whole or not at all.
type database interface {
	Get(key []byte, ro *opt.ReadOptions) ([]byte, error)
	Write(b *leveldb.Batch, wo *opt.WriteOptions) error
	NewIterator(r *util.Range, ro *opt.ReadOptions) iterator.Iterator
	Close() error
}

// folder is a disk whose paths are folders of LevelDB.
type folder struct{}

func (folder) open(path string) (database, bool, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, false, err
	}
	_, err := os.Stat(path)
	existed := err == nil
	db, err := leveldb.OpenFile(path, storeOptions())
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
	old, _ := filepath.Glob(path + ".damaged-*")
	for _, o := range old { // one is enough to learn from
		_ = os.RemoveAll(o)
	}
	if err := os.Rename(path, fmt.Sprintf("%s.damaged-%d", path, time.Now().UnixNano())); err != nil {
		return fmt.Errorf("set the damaged local store aside: %w", err)
	}
	return nil
}

// storeOptions are those of LevelDB. Strict means that a journal with a hole does not open: the
// receipt of a later write would otherwise vouch for rows that were lost in it.
func storeOptions() *opt.Options {
	return &opt.Options{
		Strict:                 opt.StrictManifest | opt.StrictJournalChecksum | opt.StrictJournal | opt.StrictBlockChecksum | opt.StrictCompaction | opt.StrictReader,
		Filter:                 filter.NewBloomFilter(10),
		WriteBuffer:            8 << 20,
		BlockCacheCapacity:     8 << 20,
		OpenFilesCacheCapacity: 64,
		CompactionTableSize:    4 << 20,
	}
}

// isEnvironment reports whether opening failed for something that a new store would not mend:
// another process has it, the disk is full, permissions.
func isEnvironment(err error) bool {
	if dberrors.IsCorrupted(err) {
		return false
	}
	for _, e := range []error{syscall.EAGAIN, syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return strings.Contains(err.Error(), "file already open") || strings.Contains(err.Error(), "resource temporarily unavailable")
}
