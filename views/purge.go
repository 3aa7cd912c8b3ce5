package views

import (
	"context"
	"errors"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/foldlog/foldlog/internal/localdb"
)

const (
	// purgeEvery is how often outcomes beyond the horizon are removed.
	purgeEvery = time.Hour
	// purgeStep is the number of outcomes that are removed at once. New outcomes wait for a step.
	purgeStep = 500
)

// purge removes outcomes beyond the horizon, now and then every hour, until ctx ends. Reads do not
// show them in the meantime.
func (o *Outcomes) purge(ctx context.Context) {
	ticker := time.NewTicker(purgeEvery)
	defer ticker.Stop()
	for {
		if n, err := o.purgeOnce(ctx); err != nil {
			o.replica.log.Warn("remove outcomes beyond the horizon", "error", err)
		} else if n > 0 {
			o.replica.log.Info("removed outcomes beyond the horizon", "outcomes", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// purgeOnce removes all outcomes that are beyond the horizon now, in steps.
func (o *Outcomes) purgeOnce(ctx context.Context) (removed int, err error) {
	bounds := &util.Range{Start: []byte{kindTime}, Limit: timePrefix(o.index.now().Add(-o.index.horizon))}
	for ctx.Err() == nil {
		n := 0
		err := o.replica.use(func(s *store) (err error) {
			// Without the lock, an outcome that replaces an expired one between look and delete
			// would be deleted.
			o.replica.writing.Lock()
			defer o.replica.writing.Unlock()
			n, bounds.Start, err = purgeFrom(s, bounds)
			return err
		})
		removed += n
		o.replica.metrics.purged.Add(float64(n))
		if err != nil || n == 0 {
			return removed, err
		}
	}
	return removed, nil
}

// purgeFrom removes the next outcomes within bounds and returns the place to go on.
func purgeFrom(s *store, bounds *util.Range) (n int, next []byte, err error) {
	var batch leveldb.Batch
	iter := s.db.NewIterator(bounds, nil)
	defer iter.Release()
	next = bounds.Start
	for n < purgeStep && iter.Next() {
		recordedAt, outcomeKey, err := splitTimeKey(iter.Key())
		if err != nil {
			return 0, next, errors.Join(localdb.ErrDamaged, err)
		}
		stored, err := s.get(outcomeKey)
		if err != nil {
			return 0, next, err
		}
		if stored != nil {
			if at, _, err := splitOutcome(stored); err != nil {
				return 0, next, err
			} else if at.Equal(recordedAt) {
				batch.Delete(outcomeKey)
			}
		}
		traceIDs(iter.Value()).each(recordedAt, outcomeKey[1:], batch.Delete)
		batch.Delete(iter.Key())
		n, next = n+1, append(append([]byte(nil), iter.Key()...), 0)
	}
	if err := iter.Error(); err != nil {
		return 0, next, s.failure("scan", err)
	}
	if n == 0 {
		return 0, next, nil
	}
	return n, next, s.write(&batch)
}
