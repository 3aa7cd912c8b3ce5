package exactlyonce

import (
	"bytes"
	"context"
	"time"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/processors/step"
)

const (
	// purgeEvery is the interval at which a lane looks for index entries that are no longer needed.
	purgeEvery = 6 * time.Hour
	// purgeStep is the number of entries that it looks at in one go.
	purgeStep = 4096
)

// purge removes index entries that are no longer needed, now and then, slowly, until the generation
// ends.
func (l *lane) purge() {
	ticker := time.NewTicker(purgeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-l.gen.ctx.Done():
			return
		case <-ticker.C:
		}
		if err := l.purgeOnce(); err != nil {
			l.log.Warn("cannot remove old index entries, trying again later", "error", err)
		}
	}
}

func (l *lane) purgeOnce() error {
	var old []stored
	looked := 0
	var fault error
	err := l.store.each(kindIndex, func(key string, value []byte) bool {
		if looked++; looked%purgeStep == 0 {
			if fault = l.store.forget(old); fault != nil || retry.Sleep(l.gen.ctx, 20*time.Millisecond) != nil {
				return false
			}
			old = old[:0]
		}
		value = bytes.Clone(value) // entries may refer to it
		r, err := decodeRemembered(value)
		if err != nil {
			fault = err
			return false
		}
		found, ok, err := l.readIndex(l.gen.ctx, r)
		if err != nil {
			fault = err
			return false
		}
		if !ok || !l.group.Index.Retain(found) {
			old = append(old, stored{kindIndex, key, value})
		}
		return true
	})
	if err == nil {
		err = fault
	}
	if err != nil || l.gen.ctx.Err() != nil {
		return err
	}
	return l.store.forget(old)
}

// readIndex reads a record of the index's topic.
func (l *lane) readIndex(ctx context.Context, r *record.Record) (step.IndexEntry, bool, error) {
	r.Topic, r.Partition = l.group.Index.Topic, l.partition
	return l.group.Index.Read(ctx, r)
}

// forget deletes the entries whose stored value is unchanged.
func (s *store) forget(seen []stored) error {
	if len(seen) == 0 {
		return nil
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	b := new(leveldb.Batch)
	for _, item := range seen {
		now, err := s.get(item.kind, []byte(item.key))
		if err != nil {
			return err
		}
		if bytes.Equal(now, item.value) {
			b.Delete(append([]byte{item.kind}, item.key...))
		}
	}
	if err := s.db.Write(b, nil); err != nil {
		return s.spoiled("write", err)
	}
	return nil
}
