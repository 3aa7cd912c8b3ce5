package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollEvery is how often a condition is looked at. Short, because every test waits for it; a look
// is one request.
const pollEvery = 50 * time.Millisecond

// fatal marks an error that waiting does not cure.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

// poll looks until the condition holds. It gives up on a fatal error, and when ctx ends with what
// was last missing.
func poll(ctx context.Context, what string, condition func(context.Context) error) error {
	ticks := time.NewTicker(pollEvery)
	defer ticks.Stop()
	var missing error
	for {
		err := condition(ctx)
		if err == nil {
			return nil
		}
		// the error of a look that the deadline cut short says nothing
		if missing == nil || ctx.Err() == nil {
			missing = err
		}
		if f, is := errors.AsType[fatal](err); is {
			return fmt.Errorf("%s: %w", what, f.error)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; missing: %w", what, context.Cause(ctx), missing)
		case <-ticks.C:
		}
	}
}

// within bounds ctx, unless it ends sooner.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %s", limit))
}
