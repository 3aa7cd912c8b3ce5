package codecs

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"

	"github.com/twmb/franz-go/pkg/sr/srfake"
)

type forgetful struct {
	Reason string `json:"reason"`
	Lost   string `json:"lost"`
}

func (forgetful) isLampCommand() {}

func (*forgetful) Validate() error { return nil }

func TestNewNamesEveryProblemAtOnce(t *testing.T) {
	broken := topology.New("lamps",
		topology.Aggregate("lamp", foldlog.Decider[switchOff, lampCommand, lampEvent]{},
			topology.Commands(topology.Command[setUp]("set-up"), topology.Command[forgetful]("switch-off")),
			topology.Events(topology.Event[switchedOff]("LampSetUp"), topology.Event[lampSetUp]("SwitchedOff"))),
		topology.Projection("lamps", "lamp", foldlog.Projection[lamp, lampEvent]{}),
	)
	set, err := schemas.Load(os.DirFS("testdata/lamps"), broken)
	if err != nil {
		t.Fatal(err)
	}
	registry := schemas.New(schemas.Config{URL: "http://127.0.0.1:1"}, testLogger())
	_, err = New(context.Background(), broken, topology.Names{}, set, registry, testLogger())
	if err == nil {
		t.Fatal("no problem was found")
	}
	for _, want := range []string{
		"command switch-off: codecs.forgetful.Lost is not in the Avro record test.lamp.SwitchOff", "Validate has a pointer receiver",
		"event LampSetUp: codecs.switchedOff.Reason is not in", "event SwitchedOff: codecs.lampSetUp.Label is not in",
		"aggregate lamp, state: codecs.switchOff.Reason is not in", "projection lamps, row: codecs.lamp.Limits is not in",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not said in: %v", want, err)
		}
	}
}

func TestNewNeedsTheTopologysSchemas(t *testing.T) {
	set, err := schemas.Load(fstest.MapFS{}, topology.New("empty"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(context.Background(), lampTopology(), topology.Names{}, set, schemas.New(schemas.Config{}, testLogger()), testLogger())
	if err == nil || !strings.Contains(err.Error(), "lamp.commands has no schema") || !strings.Contains(err.Error(), "lamps-table has no schema") {
		t.Errorf("got %v", err)
	}
}

func TestNewWaitsForTheRegistry(t *testing.T) {
	fake := srfake.New()
	defer fake.Close()
	var refused atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused.Add(1) <= 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fake.Handler().ServeHTTP(w, r)
	}))
	defer proxy.Close()
	set, err := schemas.Load(os.DirFS("testdata/lamps"), lampTopology())
	if err != nil {
		t.Fatal(err)
	}
	registry := schemas.New(schemas.Config{URL: proxy.URL}, testLogger())
	if _, err = New(context.Background(), lampTopology(), topology.Names{Prefix: "test-"}, set, registry, testLogger()); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"lamp.commands", "lamp.events", "lamp.outcomes", "lamp-table", "lamps-table", "lamps.rekeyed"} {
		if !fake.SubjectExists("test-" + topic + "-value") {
			t.Errorf("%s has no subject", topic)
		}
	}
}

func TestNewGivesUpWithItsContext(t *testing.T) {
	set, err := schemas.Load(os.DirFS("testdata/lamps"), lampTopology())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err = New(ctx, lampTopology(), topology.Names{}, set, schemas.New(schemas.Config{URL: "http://127.0.0.1:1"}, testLogger()), testLogger())
	if !errors.Is(err, schemas.ErrUnavailable) || !strings.Contains(err.Error(), "gave up") {
		t.Errorf("got %v", err)
	}
}
