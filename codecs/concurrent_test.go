package codecs

import (
	"bytes"
	"context"
	"reflect"
	"sync"
	"testing"

	"github.com/foldlog/foldlog"
)

func TestConcurrentUse(t *testing.T) {
	w := newWorld(t)
	event := w.event(t, fullEvent())
	// seen by all at the same time
	foreign := append(w.register(t, string(w.lamp.events.latest.Schema.Canonical())), event[5:]...)
	command := w.encode(t, foldlog.Command[any]{Meta: foldlog.Meta{AggregateID: "l1"}, Data: fullSetUp()})
	text := []byte(`{"type":"set-up","data":` + fullJSON + `}`)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 200 {
				value := event
				if i%2 == 1 {
					value = foreign
				}
				e, err := w.lamp.DecodeEvent(context.Background(), value)
				if err != nil || !reflect.DeepEqual(e, fullEvent()) {
					t.Errorf("got %+v, %v", e, err)
					return
				}
				if again, err := w.lamp.EncodeEvent(e); err != nil || !bytes.Equal(again, event) {
					t.Errorf("got %x, %v", again, err)
					return
				}
				value = command
				if i%2 == 1 {
					value = text
				}
				cmd, err := w.lamp.DecodeCommand(context.Background(), commandRecord("l1", value))
				if err != nil || !reflect.DeepEqual(cmd.Data, fullSetUp()) {
					t.Errorf("got %+v, %v", cmd, err)
					return
				}
			}
		})
	}
	group.Wait()
}
