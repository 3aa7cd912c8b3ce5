package views

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/foldlog/foldlog/internal/localdb"
)

// storeOptions are the settings of every store. One store has all partitions of a topic, so that
// the memory for write buffers and caches does not grow with the partition count, and a list over
// all partitions is one ordered scan.
var storeOptions = opt.Options{BlockCacheCapacity: 16 << 20, OpenFilesCacheCapacity: 200}

// meta names the topic that a store is a replica of.
type meta struct {
	Layout     int    `json:"layout"`
	Topic      string `json:"topic"`
	TopicID    string `json:"topic_id"`
	Partitions int    `json:"partitions"`
}

// store is the LevelDB of one topic.
type store struct {
	dir string
	db  *leveldb.DB
}

// openStore opens the store in dir or makes an empty one.
func openStore(dir string) (*store, error) {
	db, err := localdb.Open(dir, storeOptions)
	if err != nil {
		return nil, fmt.Errorf("open the view's store %s: %w", dir, err)
	}
	return &store{dir: dir, db: db}, nil
}

func (s *store) close() error { return s.db.Close() }

// meta returns the topic that the store is a replica of. ok is false for a new store.
func (s *store) meta() (m meta, ok bool, err error) {
	raw, err := s.get(metaKey)
	if err != nil || raw == nil {
		return meta{}, false, err
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return meta{}, false, fmt.Errorf("%w: meta record: %w", localdb.ErrDamaged, err)
	}
	return m, true, nil
}

// begin makes a new store the replica of a topic, in step with the log as of now: it has nothing
// yet, so it has missed nothing.
func (s *store) begin(m meta, now time.Time) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	var batch leveldb.Batch
	batch.Put(metaKey, raw)
	batch.Put(syncedKey, encodeInt64(now.UnixMilli()))
	return s.write(&batch)
}

// synced returns when the store was last known to have the whole log.
func (s *store) synced() (time.Time, error) {
	n, err := s.number(syncedKey)
	return time.UnixMilli(n), err
}

func (s *store) setSynced(t time.Time) error {
	var batch leveldb.Batch
	batch.Put(syncedKey, encodeInt64(t.UnixMilli()))
	return s.write(&batch)
}

// positions returns, for each partition, the next offset to apply.
func (s *store) positions(partitions int) ([]int64, error) {
	next := make([]int64, partitions)
	for p := range next {
		n, err := s.number(positionKey(int32(p)))
		if err != nil {
			return nil, err
		}
		next[p] = n
	}
	return next, nil
}

// vectors calls each with every stored progress.
func (s *store) vectors(each func(partition int32, from source, offset int64)) error {
	iter := s.db.NewIterator(util.BytesPrefix([]byte{kindProgress}), nil)
	defer iter.Release()
	for iter.Next() {
		partition, from, err := parseProgressKey(iter.Key())
		if err != nil {
			return fmt.Errorf("%w: %w", localdb.ErrDamaged, err)
		}
		offset, err := decodeInt64(iter.Value())
		if err != nil {
			return fmt.Errorf("%w: progress: %w", localdb.ErrDamaged, err)
		}
		each(partition, from, offset)
	}
	return s.failure("scan progress", iter.Error())
}

func (s *store) number(key []byte) (int64, error) {
	raw, err := s.get(key)
	if err != nil || raw == nil {
		return 0, err
	}
	n, err := decodeInt64(raw)
	if err != nil {
		return 0, fmt.Errorf("%w: key %q: %w", localdb.ErrDamaged, key, err)
	}
	return n, nil
}

// get returns the value of a key, or nil if there is none.
func (s *store) get(key []byte) ([]byte, error) {
	value, err := localdb.Get(s.db, key)
	return value, s.failure("read", err)
}

// largeBatch is the size from which a batch does not go through LevelDB's journal. The journal
// writes a long record in several pieces. A kill between two of them tears the journal, which
// counts as damage, and a restore's long records would make that likely.
const largeBatch = 32 << 10

// write writes the batch completely or not at all, even if the process is killed.
func (s *store) write(batch *leveldb.Batch) error {
	if len(batch.Dump()) < largeBatch {
		return s.failure("write", s.db.Write(batch, nil))
	}
	transaction, err := s.db.OpenTransaction()
	if err != nil {
		return s.failure("write", err)
	}
	if err := transaction.Write(batch, nil); err != nil {
		transaction.Discard()
		return s.failure("write", err)
	}
	if err := transaction.Commit(); err != nil {
		transaction.Discard()
		return s.failure("write", err)
	}
	return nil
}

// failure marks LevelDB's errors about stored bytes.
func (s *store) failure(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s the view's store %s: %w", what, s.dir, localdb.Mark(err))
}
