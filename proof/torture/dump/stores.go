package dump

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	dberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/foldlog/foldlog/proof/history"
)

// A processor's store is processors/exactly-once/GROUP/TOPIC.PARTITION. What lies beside it,
// damaged and set aside, is none.
var storeName = regexp.MustCompile(`^.+\.[0-9]+$`)

// What a store contains, by the first byte of the key.
const (
	kindRow   = 'r'
	kindIndex = 'i'
	kindMeta  = 'm'
)

// Stores writes the local stores below a processor's directory. The process must have ended;
// stopped is when it was told to. Rows go to stores, or to stores-left where the process did not
// own the partition any more when it was stopped: then the store is a copy of an earlier time.
// Entries of the index go to indexes, and what the store says of itself to receipts.
func Stores(dir, instance, processors string, stopped time.Time) error {
	paths, err := filepath.Glob(filepath.Join(processors, "exactly-once", "*", "*"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || !info.IsDir() || !storeName.MatchString(filepath.Base(path)) {
			continue
		}
		err := store(dir, instance, path, stopped)
		if dberrors.IsCorrupted(err) {
			// Damaged on purpose, and its partition went elsewhere. An owner's would be missed:
			// somebody must have all rows.
			err = forget(dir, instance, path)
		}
		if err != nil {
			return fmt.Errorf("dump the store %s of %s: %w", filepath.Base(path), instance, err)
		}
	}
	return nil
}

func store(dir, instance, path string, stopped time.Time) error {
	db, err := leveldb.OpenFile(path, &opt.Options{ReadOnly: true, ErrorIfMissing: true})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // nothing was written
	receipt, err := db.Get([]byte{kindMeta}, nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return nil // nothing was ever written to it
	}
	if err != nil {
		return err
	}
	var about struct {
		Seen time.Time `json:"seen"`
	}
	if err := json.Unmarshal(receipt, &about); err != nil {
		return fmt.Errorf("its receipt %q: %w", receipt, err)
	}
	name := instance + "/" + filepath.Base(path) + ".jsonl"
	if err := write(dir, "receipts/"+name, func(out *history.Writer) error { return out.Write(json.RawMessage(receipt)) }); err != nil {
		return err
	}
	rows := "stores/"
	if about.Seen.Before(stopped) { // an owner says that its store is complete when it ends
		rows = "stores-left/"
	}
	if err := write(dir, rows+name, func(out *history.Writer) error { return entries(db, kindRow, out) }); err != nil {
		return err
	}
	return write(dir, "indexes/"+name, func(out *history.Writer) error { return entries(db, kindIndex, out) })
}

// forget removes what was written of a store.
func forget(dir, instance, path string) error {
	for _, kind := range []string{"receipts", "stores", "stores-left", "indexes"} {
		if err := os.Remove(filepath.Join(dir, kind, instance, filepath.Base(path)+".jsonl")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// entries writes what a store has of a kind, keys without it.
func entries(db *leveldb.DB, kind byte, out *history.Writer) error {
	all := db.NewIterator(util.BytesPrefix([]byte{kind}), nil)
	defer all.Release()
	for all.Next() {
		value, err := json.Marshal(all.Value()) // base64
		if err != nil {
			return err
		}
		if err := out.Write(history.Row{Key: base64.StdEncoding.EncodeToString(all.Key()[1:]), Row: value}); err != nil {
			return err
		}
	}
	return all.Error()
}
