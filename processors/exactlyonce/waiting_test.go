package exactlyonce

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/step"
)

// An input that is not handled is named with its place and the reason, whether it is tried again or
// the domain's code does not return. It is not named any more once it is handled.
func TestWhatWaitsIsNamed(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"tried again", "the registry is away"},
		{"being handled", "it is being handled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 2)
			var released atomic.Bool
			g := w.group()
			handle := g.Handle
			g.Handle = func(ctx context.Context, in *record.Record, memory step.Memory) (step.Step, error) {
				for strings.HasPrefix(string(in.Value), "stuck") && !released.Load() {
					if c.name == "tried again" {
						return step.Step{}, errors.New("the registry is away")
					}
					time.Sleep(10 * time.Millisecond)
				}
				return handle(ctx, in, memory)
			}
			r := w.startGroup(g, "a")
			w.send(100, 20)
			w.awaitHandled(r)
			if err := r.runner.Waiting(0); err != nil {
				t.Errorf("nothing waits: %v", err)
			}
			w.produce(&kgo.Record{Topic: w.commands(), Key: []byte("k1"), Value: []byte("stuck 1")})
			w.eventually(30*time.Second, "what waits to be named", func() error {
				err := r.runner.Waiting(watchEvery)
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), w.commands()) {
					return errors.Join(errors.New("it is not"), err)
				}
				return nil
			})
			if !r.recovered() {
				t.Error("the group stopped")
			}
			released.Store(true)
			w.awaitHandled(r)
			w.eventually(30*time.Second, "nothing to be named", func() error { return r.runner.Waiting(0) })
			mustNotFail(t, r.stop())
		})
	}
}
