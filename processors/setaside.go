package processors

import (
	"context"
	"fmt"
	"slices"

	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/exactlyonce"
	"github.com/foldlog/foldlog/processors/step"
)

// Errors of [SetAside]: nothing was changed.
var (
	ErrRunning = exactlyonce.ErrRunning
	ErrNotNext = exactlyonce.ErrNotNext
)

// SetAside makes a dead letter of the next input of a group that is not running, for the reason,
// and moves the group behind it. It is the way past an input that no guard expected. The group is
// named with its prefix. See [exactlyonce.SetAside] for what it waits for.
func SetAside(ctx context.Context, c Config, name string, partition int32, offset int64, reason string) error {
	p, err := New(c)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(p.groups, func(g group) bool { return g.Name == name })
	if i < 0 {
		return fmt.Errorf("the topology has no group %s", name)
	}
	g := p.groups[i].Group
	letters := deadLetters{group: name, topic: g.DeadLetters, metrics: p.metrics, log: c.Logger}
	return exactlyonce.SetAside(ctx, p.engineConfig(g), g, partition, offset, func(in *record.Record) step.Step {
		s := letters.step(in, fmt.Errorf("set aside by hand: %s", reason))
		s.Progress = progressOf(in)
		return s
	})
}
