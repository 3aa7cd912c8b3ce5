package localdb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/syndtr/goleveldb/leveldb"
	dberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

// ErrDamaged is wrapped by errors about stored bytes that nobody wrote like that.
var ErrDamaged = errors.New("the store is damaged")

// Open opens the database in a directory, or makes an empty one. The options say how much it may
// cache. An error that wraps [ErrDamaged] is one of the stored bytes.
func Open(dir string, o opt.Options) (*leveldb.DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	o.Strict, o.Filter, o.WriteBuffer = opt.StrictAll, filter.NewBloomFilter(10), 8<<20
	db, err := leveldb.OpenFile(dir, &o)
	if err != nil && !ofEnvironment(err) {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return db, err
}

// Scratch makes a database for data that does not outlive the process.
func Scratch(dir string) (*leveldb.DB, error) {
	return leveldb.OpenFile(dir, &opt.Options{
		Filter: filter.NewBloomFilter(10), NoSync: true, WriteBuffer: 2 << 20, BlockCacheCapacity: 2 << 20, OpenFilesCacheCapacity: 64,
	})
}

// SetAside moves a damaged store out of the way, in place of the one before it, and returns its new
// path. Afterwards there is none in the directory.
func SetAside(dir string) (string, error) {
	aside := dir + ".damaged"
	old, _ := filepath.Glob(aside + "*") // earlier versions added a number to the name
	for _, o := range old {
		if err := os.RemoveAll(o); err != nil {
			return "", fmt.Errorf("remove the store that was damaged before: %w", err)
		}
	}
	if err := os.Rename(dir, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("set the damaged store aside: %w", err)
	}
	return aside, nil
}

// Reader reads a key. [leveldb.DB] and its snapshots are Readers.
type Reader interface {
	Get(key []byte, ro *opt.ReadOptions) ([]byte, error)
}

// Get returns the value of a key, nil if there is none. An empty value is not nil.
func Get(db Reader, key []byte) ([]byte, error) {
	value, err := db.Get(key, nil)
	switch {
	case errors.Is(err, leveldb.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, Mark(err)
	case value == nil:
		return []byte{}, nil
	}
	return value, nil
}

// Mark makes LevelDB's errors about stored bytes wrap [ErrDamaged].
func Mark(err error) error {
	if err != nil && dberrors.IsCorrupted(err) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// ofEnvironment reports whether opening failed for something that a new store would not mend:
// another process has it, the disk is full, permissions.
func ofEnvironment(err error) bool {
	if dberrors.IsCorrupted(err) {
		return false
	}
	return slices.ContainsFunc([]error{
		storage.ErrLocked, syscall.EAGAIN, syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE,
	}, func(e error) bool { return errors.Is(err, e) })
}
