package views

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/retry"
)

// patiently decodes a record. Only defects of the bytes are errors. It waits for an absent registry
// until ctx ends, and for an unknown schema id as long as ids allows.
func patiently[T any](ctx context.Context, r record, ids *codecs.UnknownIDs, retried func(record, error), decode func(context.Context, []byte) (T, error)) (decoded T, err error) {
	for range retry.Attempts(ctx, 100*time.Millisecond, 5*time.Second) {
		var undecodable *codecs.Undecodable
		decoded, err = safely(ctx, r.value, decode)
		final := errors.As(err, &undecodable) && ids.Retry(&codecs.Record{Partition: r.partition, Offset: r.offset}, err) == nil
		if err == nil || final || ctx.Err() != nil {
			return decoded, err
		}
		retried(r, err)
	}
	return decoded, ctx.Err()
}

// safely decodes in a goroutine that belongs to Goka. A panic there would end the process, and
// again after every start.
func safely[T any](ctx context.Context, value []byte, decode func(context.Context, []byte) (T, error)) (decoded T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &codecs.Undecodable{Raw: value, Cause: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	return decode(ctx, value)
}
