package kit

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/record"
)

// Writer writes records to the partitions that they name, idempotently and in order. It is safe for
// concurrent use.
type Writer struct {
	client *kgo.Client
	mu     sync.Mutex
	err    error // the first failure
}

// Writer returns a new writer.
func (r *Reader) Writer() *Writer { return &Writer{client: r.Client} }

// Write hands a record over. It waits while too much is under way; whether it succeeds, Flush says.
func (w *Writer) Write(ctx context.Context, r *record.Record) {
	out := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}
	w.client.Produce(ctx, out, func(r *kgo.Record, err error) {
		if err == nil {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.err == nil {
			w.err = fmt.Errorf("write to %s/%d: %w", r.Topic, r.Partition, err)
		}
	})
}

// Flush waits until everything is written, and says whether it is.
func (w *Writer) Flush(ctx context.Context) error {
	if err := w.client.Flush(ctx); err != nil {
		return err
	}
	return w.Failure()
}

// Failure returns the first failure so far. To go on after it leaves a gap.
func (w *Writer) Failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}
