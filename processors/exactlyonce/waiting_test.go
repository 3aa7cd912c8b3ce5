package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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

// A backlog of small batches with much in them does not come into memory at once: 300 MB here, in
// one answer of the broker.
func TestInputsAreBoundedInBytes(t *testing.T) {
	w := newWorld(t, 2)
	producer, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.ProducerBatchMaxBytes(2<<20),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	const inputs, size = 300, 1 << 20
	for i := range inputs { // one by one, so that each is a batch
		r := &kgo.Record{Topic: w.commands(), Key: []byte("k0"), Value: append([]byte(fmt.Sprintf("c%d 1 ", i)), make([]byte, size)...)}
		if err := producer.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	var handled atomic.Int64
	g := w.group()
	g.Handle = func(context.Context, *record.Record, step.Memory) (step.Step, error) {
		time.Sleep(time.Millisecond)
		handled.Add(1)
		return step.Step{}, nil
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse)
	}
	runtime.GC()
	before, most := heap(), int64(0)
	r := w.startGroup(g, "a", func(c *Config) { c.InputBytes = 8 << 20 })
	w.eventually(time.Minute, "all inputs to be handled", func() error {
		most = max(most, heap()-before)
		if n := handled.Load(); n < inputs {
			return fmt.Errorf("%d of %d", n, inputs)
		}
		return nil
	})
	if most > inputs*size/2 {
		t.Errorf("the heap grew by %d MiB for %d MiB of inputs", most>>20, inputs*size>>20)
	}
	t.Logf("the heap grew by %d MiB", most>>20)
	mustNotFail(t, r.stop())
}
