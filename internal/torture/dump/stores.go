package dump

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"

	"github.com/foldlog/foldlog/internal/history"
)

// A processor's store is processors/exactly-once/GROUP/TOPIC.PARTITION. What lies beside it, damaged and set aside, is none.
var storeName = regexp.MustCompile(`^.+\.[0-9]+$`)

// Stores writes the local stores below a processor's directory, keys with their kind in front and values, both in base64. The process must
// have ended.
func Stores(dir, instance, processors string) error {
	paths, err := filepath.Glob(filepath.Join(processors, "exactly-once", "*", "*"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || !info.IsDir() || !storeName.MatchString(filepath.Base(path)) {
			continue
		}
		if err := store(dir, "stores/"+instance+"/"+filepath.Base(path)+".jsonl", path); err != nil {
			return fmt.Errorf("dump the store %s of %s: %w", filepath.Base(path), instance, err)
		}
	}
	return nil
}

func store(dir, name, path string) error {
	db, err := leveldb.OpenFile(path, &opt.Options{ReadOnly: true, ErrorIfMissing: true})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // nothing was written
	return write(dir, name, func(out *history.Writer) error {
		all := db.NewIterator(nil, nil)
		defer all.Release()
		for all.Next() {
			value, err := json.Marshal(base64.StdEncoding.EncodeToString(all.Value()))
			if err != nil {
				return err
			}
			if err := out.Write(history.Row{Key: base64.StdEncoding.EncodeToString(all.Key()), Row: value}); err != nil {
				return err
			}
		}
		return all.Error()
	})
}
