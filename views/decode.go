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
// until ctx ends.
func patiently[T any](ctx context.Context, r record, retried func(record, error), decode func(context.Context, []byte) (T, error)) (decoded T, err error) {
	for range retry.Attempts(ctx, 100*time.Millisecond, 5*time.Second) {
		var undecodable *codecs.Undecodable
		decoded, err = safely(ctx, r.value, decode)
		if err == nil || errors.As(err, &undecodable) || ctx.Err() != nil {
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
