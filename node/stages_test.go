package node

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func testStages() *stages { return newStages(slog.New(slog.DiscardHandler)) }

func TestStagesStopInTheOppositeOrder(t *testing.T) {
	st := testStages()
	var order []string
	st.add("directory", func() error { order = append(order, "directory"); return nil })
	for _, name := range []string{"views", "processors", "http"} {
		st.start(name, func(ctx context.Context) error {
			<-ctx.Done()
			order = append(order, name) // safe: one stage stops at a time
			if name == "processors" {
				return errors.New("a group was cut off")
			}
			return ctx.Err()
		})
	}
	err := st.stop()
	if got := strings.Join(order, " "); got != "http processors views directory" {
		t.Errorf("order %s", got)
	}
	if err == nil || err.Error() != "stop processors: a group was cut off" {
		t.Errorf("error %v", err)
	}
	if err := st.stop(); err != nil || len(order) != 4 {
		t.Errorf("stopped a second time: %v, %v", order, err)
	}
}

func TestStagesTellWhoFailed(t *testing.T) {
	for want, run := range map[string]func(context.Context) error{
		"http: port gone":       func(context.Context) error { return errors.New("port gone") },
		"http: ended by itself": func(context.Context) error { return nil },
	} {
		st := testStages()
		st.start("views", func(ctx context.Context) error { <-ctx.Done(); return nil })
		st.start("http", run)
		if err := st.wait(t.Context()); err == nil || err.Error() != want {
			t.Errorf("failure %v, want %s", err, want)
		}
		if err := st.stop(); err != nil {
			t.Errorf("the failure was told twice: %v", err)
		}
	}
}
