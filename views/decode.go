package views

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/foldlog/foldlog/codecs"
)

const (
	// decodePause and maxDecodePause bound the pause before a record is decoded again after the
	// schema registry was away.
	decodePause    = 100 * time.Millisecond
	maxDecodePause = 5 * time.Second
)

// patiently decodes a record. Only what the bytes say is an error: a registry that is away is
// waited for until ctx ends.
func patiently[T any](ctx context.Context, r record, retried func(record, error), decode func(context.Context, []byte) (T, error)) (T, error) {
	for pause := decodePause; ; pause = min(2*pause, maxDecodePause) {
		decoded, err := safely(ctx, r.value, decode)
		var undecodable *codecs.Undecodable
		if err == nil || errors.As(err, &undecodable) || ctx.Err() != nil {
			return decoded, err
		}
		retried(r, err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// safely decodes in a goroutine that belongs to Goka: a panic there would end the process, and
// again after every start.
func safely[T any](ctx context.Context, value []byte, decode func(context.Context, []byte) (T, error)) (decoded T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &codecs.Undecodable{Raw: value, Cause: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	return decode(ctx, value)
}
