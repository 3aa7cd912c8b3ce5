package exactlyonce

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/step"
)

// An input that stops its group is set aside by hand: only while nobody runs the group, only the
// next one, and once. Then the group goes on behind it.
func TestSetAside(t *testing.T) {
	w := newWorld(t, 2)
	g := w.group()
	handle := g.Handle
	g.Handle = func(ctx context.Context, in *record.Record, memory step.Memory) (step.Step, error) {
		if string(in.Value) == "poison" {
			panic("planted")
		}
		return handle(ctx, in, memory)
	}
	poison := &kgo.Record{Topic: w.commands(), Key: []byte("k1"), Value: []byte("poison")}
	w.send(100, 20)
	w.produce(poison)
	w.send(100, 20)
	setAside := func(patience time.Duration, offset int64) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		return SetAside(ctx, w.config("by-hand"), g, poison.Partition, offset, func(in *record.Record) step.Step {
			return step.Step{Records: []record.Record{{Topic: w.deadLetters(), Key: in.Key, Value: in.Value}}}
		})
	}
	r := w.startGroup(g, "a")
	w.eventually(30*time.Second, "the group to stop at the input", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.errs) == 0 || Cause(r.errs[len(r.errs)-1]) != CausePanic {
			return errors.New("it has not")
		}
		return nil
	})
	if err := setAside(time.Second, poison.Offset); !errors.Is(err, ErrRunning) {
		t.Errorf("while the group runs: %v", err)
	}
	r.stop()
	for _, other := range []int64{poison.Offset - 1, poison.Offset + 1} {
		if err := setAside(time.Minute, other); !errors.Is(err, ErrNotNext) {
			t.Errorf("offset %d instead of %d: %v", other, poison.Offset, err)
		}
	}
	if err := setAside(time.Minute, poison.Offset); err != nil {
		t.Fatal(err)
	}
	if err := setAside(time.Minute, poison.Offset); !errors.Is(err, ErrNotNext) {
		t.Errorf("a second time: %v", err)
	}
	r = w.startGroup(g, "a")
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	letters := 0
	for _, records := range w.read(w.deadLetters()) {
		for _, rec := range records {
			if string(rec.Value) == "poison" {
				letters++
			}
		}
	}
	if letters != 1 {
		t.Errorf("%d dead letters, want 1", letters)
	}
	if err := setAside(time.Minute, poison.Offset+1000); !errors.Is(err, ErrNotNext) {
		t.Errorf("beyond the end: %v", err)
	}
}
