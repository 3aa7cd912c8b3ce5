package exactlyonce

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/foldlog/foldlog/internal/localdb"
)

// storeFormat is the version of the stores' contents. A store of another format is rebuilt.
const storeFormat = 1

// receipt names the topics that a store is a copy of, and the places up to which it is complete.
//
// NB: must not change without a new storeFormat. Stores contain it.
type receipt struct {
	Format    int    `json:"format"`
	Group     string `json:"group"`
	Partition int32  `json:"partition"`
	// Table and Index are the ids of the topics, and the offsets below which the store has
	// everything.
	TableID   string `json:"table_id,omitempty"`
	TableNext int64  `json:"table_next"`
	IndexID   string `json:"index_id,omitempty"`
	IndexNext int64  `json:"index_next"`
	// Seen is the last time at which the store was known to be complete. After a long absence it
	// may have missed deletions that the topic no longer keeps.
	Seen time.Time `json:"seen"`
}

const (
	// seenEvery is the interval at which an idle store notes that it is still complete.
	seenEvery = time.Minute
	// frozenAfter is the silence after which a process must have been frozen. Another process may
	// own the partition since.
	frozenAfter = 10 * time.Minute
)

// store is the local copy of a partition's rows and index entries in LevelDB.
type store struct {
	db       database
	disk     disk
	path     string
	log      *slog.Logger
	interval time.Duration
	limit    int64 // of queued bytes
	metrics  *Metrics
	point    func(string)
	failed   func(error)

	mu      sync.Mutex
	queue   []*entry // committed, not stored
	bytes   int64
	receipt receipt // what it will say once the queue is stored
	broken  error
	looked  time.Time // when the store was last known to be its partition's
	frozen  bool

	queued  atomic.Int64
	damaged atomic.Bool
	writing sync.Mutex // one flush at a time
	kick    chan struct{}
	room    chan struct{}
	stop    chan struct{}
	stopped chan struct{}
}

// expected is the receipt that a store must have to be trusted.
type expected struct {
	group            string
	partition        int32
	tableID, indexID string
	longestAbsence   time.Duration
}

// openStore opens the store at path, or an empty one if the old one cannot be trusted. reason then
// says why.
func openStore(d disk, path string, want expected, log *slog.Logger) (s *store, reason string, err error) {
	db, existed, err := d.open(path)
	if errors.Is(err, localdb.ErrDamaged) {
		reason = err.Error()
		log.Error("the local store is damaged; it is set aside and rebuilt from its topics", "path", path, "error", err)
		if err := d.setAside(path); err != nil {
			return nil, reason, err
		}
		db, _, err = d.open(path)
		existed = false
	}
	if err != nil {
		return nil, "", fmt.Errorf("open the local store %s: %w", path, err)
	}
	s = &store{db: db, disk: d, path: path, log: log}
	data, err := localdb.Get(db, []byte{kindMeta})
	switch {
	case err != nil:
		reason = fmt.Sprintf("its receipt cannot be read: %v", err)
	case data == nil:
		if existed && reason == "" {
			reason = "it has no receipt"
		}
	default:
		reason = s.distrust(data, want)
	}
	if reason != "" && existed {
		log.Info("the local store is rebuilt from its topics", "path", path, "reason", reason)
		if err := s.empty(); err != nil {
			return nil, reason, err
		}
	}
	if reason != "" || s.receipt.Format == 0 {
		s.receipt = receipt{Format: storeFormat, Group: want.group, Partition: want.partition, TableID: want.tableID, IndexID: want.indexID}
	}
	return s, reason, nil
}

// distrust returns the reason why a store with this receipt must not be used. It returns "" and
// takes over the receipt if there is none.
func (s *store) distrust(data []byte, want expected) string {
	var r receipt
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Sprintf("its receipt cannot be read: %v", err)
	}
	age := time.Since(r.Seen)
	switch {
	case r.Format != storeFormat:
		return fmt.Sprintf("it has format %d, this version uses %d", r.Format, storeFormat)
	case r.Group != want.group || r.Partition != want.partition:
		return fmt.Sprintf("it belongs to group %s, partition %d", r.Group, r.Partition)
	case r.TableID != want.tableID || r.IndexID != want.indexID:
		return "its topic was created anew"
	case age > want.longestAbsence:
		return fmt.Sprintf("it was away for %s; deletions may be gone from the log after %s", age.Round(time.Second), 2*want.longestAbsence)
	case age < -time.Hour:
		return fmt.Sprintf("it was written at %s, which is in the future", r.Seen.Format(time.RFC3339))
	}
	s.receipt = r
	return ""
}

// empty removes the store's content and opens the store anew.
func (s *store) empty() error {
	if err := s.db.Close(); err != nil {
		s.log.Warn("close a local store that is about to be removed", "path", s.path, "error", err)
	}
	if err := s.disk.remove(s.path); err != nil {
		return err
	}
	db, _, err := s.disk.open(s.path)
	if err != nil {
		return fmt.Errorf("open the local store %s: %w", s.path, err)
	}
	s.db, s.receipt = db, receipt{}
	return nil
}

// run starts flushing in the background. The restore has just found the store complete.
func (s *store) run() {
	s.looked = s.receipt.Seen
	s.kick, s.room, s.stop, s.stopped = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(s.stopped)
		ticker := time.NewTicker(s.interval)
		defer ticker.Stop()
		for {
			select {
			case <-s.stop:
				return
			case <-ticker.C:
			case <-s.kick:
			}
			if err := s.flush(false); err != nil {
				s.failed(err)
				return
			}
		}
	}()
}

// get returns the stored value of a key, or nil.
func (s *store) get(kind byte, key []byte) ([]byte, error) {
	k := make([]byte, 0, 64)
	value, err := localdb.Get(s.db, append(append(k, kind), key...))
	if err != nil {
		return nil, s.spoiled("read", err)
	}
	return value, nil
}

// spoiled notes damage, so that the store is set aside when it is closed.
func (s *store) spoiled(operation string, err error) error {
	if err = localdb.Mark(err); errors.Is(err, localdb.ErrDamaged) {
		s.damaged.Store(true)
	}
	return failf(CauseStore, "%s the local store %s: %w", operation, s.path, err)
}

// apply takes the changes of a committed transaction into the queue, with the places in the logs up
// to which they are complete.
func (s *store) apply(rows, index []change, tableNext, indexNext int64) {
	s.mu.Lock()
	for _, changes := range [2][]change{rows, index} {
		for _, c := range changes {
			e := c.entry
			s.bytes += int64(len(c.encoded) - len(e.committed))
			e.committed = c.encoded
			if e.queued {
				e.uses.Add(-1)
				continue
			}
			e.queued = true
			s.bytes += int64(len(e.key)) + entryOverhead
			s.queue = append(s.queue, e)
		}
	}
	// A record that was acknowledged as a duplicate has no offset; the place never moves back.
	s.receipt.TableNext, s.receipt.IndexNext = max(s.receipt.TableNext, tableNext), max(s.receipt.IndexNext, indexNext)
	full := s.bytes > s.limit
	s.queued.Store(int64(len(s.queue)))
	s.mu.Unlock()
	if full {
		notify(s.kick)
	}
}

// full reports whether so much waits for the store that the lanes should wait, too.
func (s *store) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes > 2*s.limit
}

// stored is one item to write.
type stored struct {
	kind  byte
	key   string
	value []byte
}

// flush writes the queue to the store, sorted, with the matching places in the logs.
func (s *store) flush(closing bool) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	began := time.Now()
	s.mu.Lock()
	if s.broken != nil {
		s.mu.Unlock()
		return s.broken
	}
	if len(s.queue) == 0 && !closing && began.Sub(s.looked) < seenEvery {
		s.mu.Unlock()
		return nil
	}
	taken := s.queue
	s.queue, s.bytes = nil, 0
	s.queued.Store(0)
	items := make([]stored, len(taken))
	for i, e := range taken {
		items[i] = stored{e.kind, e.key, e.committed}
		e.committed, e.queued = nil, false
	}
	s.see(began)
	r := s.receipt
	s.mu.Unlock()

	err := s.write(items, r, true)
	if err != nil {
		s.mu.Lock()
		s.broken = err
		s.mu.Unlock()
		return err
	}
	for _, e := range taken {
		e.uses.Add(-1)
	}
	notify(s.room)
	if len(items) > 0 {
		s.metrics.flushed(len(items), time.Since(began))
		s.point(pointFlushed)
	}
	return nil
}

// see notes that the store is complete now, unless the process was frozen since the last note. The
// wall clock counts, since other processes go by it.
func (s *store) see(now time.Time) {
	now = now.UTC().Round(0)
	if !s.looked.IsZero() && now.Sub(s.looked) > frozenAfter {
		s.frozen = true
	}
	if s.looked = now; !s.frozen {
		s.receipt.Seen = now
	}
}

// write puts items and the receipt into the store in one batch. Sorted keys are cheaper for
// LevelDB.
func (s *store) write(items []stored, r receipt, sync bool) error {
	slices.SortFunc(items, func(a, b stored) int { return cmp.Or(cmp.Compare(a.kind, b.kind), strings.Compare(a.key, b.key)) })
	size := 0
	for i := range items {
		size += len(items[i].key) + len(items[i].value) + 16
	}
	b := leveldb.MakeBatch(size + 512)
	key := make([]byte, 0, 256)
	for i := range items {
		key = append(append(key[:0], items[i].kind), items[i].key...)
		if items[i].value == nil {
			b.Delete(key)
		} else {
			b.Put(key, items[i].value)
		}
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the local store's receipt: %w", err)
	}
	b.Put([]byte{kindMeta}, data)
	if err := s.db.Write(b, &opt.WriteOptions{Sync: sync}); err != nil {
		return s.spoiled("write", err)
	}
	return nil
}

// each calls f with every stored item of a kind until it returns false.
func (s *store) each(kind byte, f func(key string, value []byte) bool) error {
	it := s.db.NewIterator(util.BytesPrefix([]byte{kind}), &opt.ReadOptions{DontFillCache: true})
	defer it.Release()
	for it.Next() {
		if !f(string(it.Key()[1:]), it.Value()) {
			break
		}
	}
	if err := it.Error(); err != nil {
		return s.spoiled("read", err)
	}
	return nil
}

// close stores all committed changes and closes the store.
func (s *store) close() error {
	var all []error
	if s.stop != nil {
		close(s.stop)
		<-s.stopped
		all = append(all, s.flush(true))
	}
	all = append(all, s.db.Close())
	if s.damaged.Load() {
		all = append(all, s.disk.setAside(s.path))
	}
	return errors.Join(all...)
}

// notify wakes the goroutine that waits on the channel, once.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
