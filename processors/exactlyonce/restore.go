package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/internal/retry"
)

// restorer reads a partition from a place to its end at the beginning of the restore.
//
// The end is the high watermark, read uncommitted: the last records of a dead owner count, too. A
// committed read goes only as far as the first open transaction. So the restore first waits until
// none is left below the end, and aborts those of dead owners. Then it reads on until its place in
// the log, not a record, reaches the end: the last offsets may be markers, aborted records or holes
// that compaction left.
type restorer struct {
	engine    *engine
	lane      *lane
	topic     string
	partition int32
	log       *slog.Logger
	each      func(*kgo.Record) error
	through   func(next int64) error // all before next was given to each

	records int
	fenced  int
}

// errNotACopy says that the topic does not have the store's place.
var errNotACopy = errors.New("the topic does not have the store's place any more")

// Isolation levels in the form of requests.
const (
	readUncommitted int8 = 0
	readCommitted   int8 = 1
)

func (r *restorer) run(ctx context.Context, from int64) (int64, error) {
	end, err := r.offset(ctx, -1, readUncommitted)
	if err != nil {
		return 0, err
	}
	start := from
	if from < end { // otherwise there is nothing to read, as after most rebalances
		if start, err = r.offset(ctx, -2, readUncommitted); err != nil {
			return 0, err
		}
	}
	switch {
	case from > end:
		return 0, fmt.Errorf("%w: %s, partition %d: place %d, the topic ends at %d", errNotACopy, r.topic, r.partition, from, end)
	case from < start && from > 0 && r.topic == r.engine.tableTopic():
		return 0, fmt.Errorf("%w: %s, partition %d: place %d, the topic begins at %d", errNotACopy, r.topic, r.partition, from, start)
	}
	from = max(from, start)
	if err := r.awaitStable(ctx, end); err != nil {
		return 0, err
	}
	return r.read(ctx, from, end)
}

// awaitStable waits until no transaction is open below the end.
func (r *restorer) awaitStable(ctx context.Context, end int64) error {
	deadline := newDeadline(r.engine.config.Patience)
	tried := 0
	for range retry.Attempts(ctx, 2*time.Millisecond, 250*time.Millisecond) {
		stable, err := r.offset(ctx, -1, readCommitted)
		if err != nil {
			return err
		}
		if lastStableGuard(stable, end) {
			return nil
		}
		deadline.progress(stable)
		why := fmt.Sprintf("partition %d waits for an open transaction on %s at offset %d, below the end at %d", r.partition, r.topic, stable, end)
		r.lane.waiting.Store(&why)
		// Not at once: a live member that ends its last transaction now needs a few milliseconds.
		if tried++; tried%16 == 3 {
			n, err := r.engine.fenceTable(ctx, r.topic, r.partition)
			if r.fenced += n; err != nil {
				r.log.Warn("cannot abort the open transactions of dead owners; waiting for the brokers to do so", "topic", r.topic, "error", err)
			}
		}
		if deadline.passed() {
			return failf(CauseRestore, "a transaction on %s, partition %d, has been open at offset %d for more than %s; reading on would miss what it may commit. "+
				"Find it with kafka-transactions.sh describe-producers and abort it", r.topic, r.partition, stable, r.engine.config.Patience)
		}
	}
	return ctx.Err()
}

// lastStableGuard reports whether everything below the end is decided.
func lastStableGuard(stable, end int64) bool { return stable >= end }

// read fetches from a place to the end.
func (r *restorer) read(ctx context.Context, from, end int64) (int64, error) {
	next := from
	r.lane.restoring.Store(max(end-next, 0))
	if err := r.through(next); err != nil {
		return 0, err
	}
	for c := range r.engine.kafka.ahead(ctx, r.chunks(ctx, from, end)) {
		if c.err != nil {
			return 0, c.err
		}
		for _, rec := range c.records {
			if rec.Attrs.IsControl() || rec.Offset >= end {
				continue
			}
			r.records++
			if err := r.each(rec); err != nil {
				return 0, err
			}
		}
		next = min(c.next, end)
		r.lane.restoring.Store(end - next)
		if err := r.through(next); err != nil {
			return 0, err
		}
	}
	if err := ctx.Err(); err != nil && next < end {
		return 0, err
	}
	r.lane.waiting.Store(nil)
	return next, nil
}

// chunks returns the records between a place and the end. The last item may be an error.
func (r *restorer) chunks(ctx context.Context, from, end int64) iter.Seq[chunk] {
	return func(yield func(chunk) bool) {
		for at := from; at < end; {
			c := r.fetch(ctx, at, end)
			if !yield(c) || c.err != nil {
				return
			}
			at = c.next
		}
	}
}

// fetch reads on from a place. It tries until it advances or its patience ends.
func (r *restorer) fetch(ctx context.Context, at, end int64) chunk {
	deadline := newDeadline(r.engine.config.Patience)
	for range retry.Attempts(ctx, 5*time.Millisecond, time.Second) {
		c, err := r.engine.kafka.committed(ctx, r.topic, r.partition, at)
		switch {
		case errors.Is(err, kerr.OffsetOutOfRange):
			return chunk{err: fmt.Errorf("%w: %s, partition %d, place %d", errNotACopy, r.topic, r.partition, at)}
		case err == nil && c.next > at:
			return c
		case err == nil && c.empty && c.stable >= end:
			// Everything is decided, and there is nothing from here to the end: compaction left a
			// hole.
			return chunk{next: end}
		}
		if ctx.Err() != nil {
			break
		}
		if deadline.passed() {
			return chunk{err: failf(CauseRestore, "read %s, partition %d: stuck at offset %d of %d for %s; are the partition's replicas in sync? %w", r.topic, r.partition, at, end,
				r.engine.config.Patience, errors.Join(err, errors.New("the brokers send nothing")))}
		}
	}
	return chunk{err: ctx.Err()}
}

// offset asks for the first (-2) or last (-1) offset of the partition.
func (r *restorer) offset(ctx context.Context, which int64, isolation int8) (int64, error) {
	deadline := newDeadline(r.engine.config.Patience)
	for range retry.Attempts(ctx, 5*time.Millisecond, 500*time.Millisecond) {
		offset, err := listOffset(ctx, r.engine.kafka, r.topic, r.partition, which, isolation)
		if err == nil {
			return offset, nil
		}
		if ctx.Err() != nil {
			break
		}
		if deadline.passed() {
			return 0, failf(CauseRestore, "find the ends of %s, partition %d: %w", r.topic, r.partition, err)
		}
	}
	return 0, ctx.Err()
}

func listOffset(ctx context.Context, asked kmsg.Requestor, topic string, partition int32, which int64, isolation int8) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.IsolationLevel = -1, isolation
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, which, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, asked)
	if err != nil {
		return 0, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, errors.New("the broker's answer lacks the partition")
	}
	answer := resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return 0, err
	}
	return answer.Offset, nil
}

// deadline passes when nothing moved for a while.
type deadline struct {
	patience time.Duration
	at       time.Time
	seen     int64
}

func newDeadline(patience time.Duration) *deadline {
	return &deadline{patience: patience, at: time.Now().Add(patience), seen: -1}
}

// progress starts anew if value moved.
func (d *deadline) progress(value int64) {
	if value != d.seen {
		d.seen, d.at = value, time.Now().Add(d.patience)
	}
}

func (d *deadline) passed() bool { return time.Now().After(d.at) }
