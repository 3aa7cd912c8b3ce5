package torture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// breaks notes that something is about to be broken, and how to mend it if the run ends before
// that. The returned function mends it now.
func (r *run) breaks(what string, mend func(context.Context) error) (mendNow func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken[what] = mend
	return func(ctx context.Context) error {
		err := mend(ctx)
		if err == nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			delete(r.broken, what)
		}
		return err
	}
}

// mendAll mends what is still broken.
func (r *run) mendAll(ctx context.Context) error {
	r.mu.Lock()
	broken := r.broken
	r.broken = map[string]func(context.Context) error{}
	r.mu.Unlock()
	var all []error
	for _, what := range slices.Sorted(maps.Keys(broken)) {
		r.say("mending: %s", what)
		if err := broken[what](ctx); err != nil {
			all = append(all, fmt.Errorf("mend %s: %w", what, err))
		}
	}
	return errors.Join(all...)
}
