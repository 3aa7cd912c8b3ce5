package views

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/kafkalog"
)

const (
	// restoreBatchBytes and restoreBatchRecords bound a batch. Within a batch only the last value
	// of a key is written, in key order, since LevelDB is the bound of a restore.
	restoreBatchBytes   = 4 << 20
	restoreBatchRecords = 20_000
	// restoreNotice is the interval at which a restore logs that it waits for an open transaction.
	restoreNotice = 30 * time.Second
)

// restore reads the missing records up to the ends in the description. An end may lie behind an
// open transaction, a marker, aborted records or a hole. The restore is done when its position
// reaches the end, not when a record was delivered.
func (r *replica) restore(ctx context.Context, d description) error {
	from := map[int32]int64{}
	remaining := int64(0)
	for p := range int32(r.partitions) {
		// Only a topic with retention starts behind the store.
		from[p] = max(r.position(p), d.start[p])
		remaining += d.end[p] - from[p]
	}
	r.status.recovering(remaining, "")
	r.metrics.remaining.Set(float64(remaining))
	if err := r.skipTo(from); err != nil || remaining == 0 {
		return err
	}
	log, err := kafkalog.Open(r.cluster)
	if err != nil {
		return err
	}
	defer log.Close()

	c, records := newChanges(), 0
	notice := time.Now().Add(restoreNotice)
	err = log.ReadTopic(ctx, r.topic, from, d.end, func(round []kafkalog.Part) error {
		waits := ""
		for _, part := range round {
			if err := r.collect(ctx, c, part); err != nil {
				return err
			}
			records += len(part.Records)
			remaining -= part.Next - from[part.Partition]
			from[part.Partition] = part.Next
			if part.Waits {
				waits = fmt.Sprintf("an open transaction holds back partition %d at offset %d of %d", part.Partition, part.Next, d.end[part.Partition])
			}
		}
		r.status.recovering(max(0, remaining), waits)
		r.metrics.remaining.Set(float64(max(0, remaining)))
		if waits != "" && time.Now().After(notice) {
			notice = time.Now().Add(restoreNotice)
			r.log.Warn("view waits for an open transaction", "where", waits)
		}
		if c.bytes < restoreBatchBytes && records < restoreBatchRecords && waits == "" {
			return nil
		}
		records = 0
		return r.flush(c)
	})
	// The part that was read is written even if the rest could not be read, so that it is not read
	// again.
	if err := errors.Join(err, r.flush(c)); err != nil {
		return err
	}
	return nil
}

// collect adds the changes of a part to the batch.
func (r *replica) collect(ctx context.Context, c *changes, part kafkalog.Part) error {
	for _, fetched := range part.Records {
		stage, err := r.index.prepare(ctx, record{
			partition: part.Partition, offset: fetched.Offset, key: string(fetched.Key), value: fetched.Value,
			progress: header(fetched, codecs.HeaderProgress), cause: header(fetched, codecs.HeaderCause), chain: header(fetched, codecs.HeaderChain),
		})
		if err != nil {
			return err
		}
		if err := stage(r.store, c); err != nil {
			return err
		}
		c.reach(part.Partition, fetched.Offset+1)
	}
	c.reach(part.Partition, part.Next)
	return nil
}

func (r *replica) flush(c *changes) error {
	defer c.reset()
	return r.commit(c)
}

// skipTo writes the positions of partitions whose start has moved past the store's position.
func (r *replica) skipTo(next map[int32]int64) error {
	c := newChanges()
	for p, offset := range next {
		if offset != r.position(p) {
			c.reach(p, offset)
		}
	}
	return r.commit(c)
}

func header(r *kgo.Record, key string) []byte {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == key {
			return present(r.Headers[i].Value)
		}
	}
	return nil
}

// present tells an empty value from none.
func present(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}
