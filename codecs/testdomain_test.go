package codecs

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

// The test's domain: a lamp, whose commands have a field of every Avro type that a domain can use.

type lampCommand interface{ isLampCommand() }

type part struct {
	Name   string `json:"name"`
	Weight *int64 `json:"weight"`
}

type mode string

type setUp struct {
	Label  string           `json:"label"`
	Level  int32            `json:"level"`
	Amount int64            `json:"amount"`
	Ratio  float64          `json:"ratio"`
	Share  float32          `json:"share"`
	On     bool             `json:"on"`
	Blob   []byte           `json:"blob"`
	Mode   mode             `json:"mode"`
	Tags   []string         `json:"tags"`
	Limits map[string]int64 `json:"limits"`
	Parts  []part           `json:"parts"`
	Spare  *part            `json:"spare"`
	Note   *string          `json:"note"`
	At     time.Time        `json:"at"`
	Day    time.Time        `json:"day"`
}

type switchOff struct {
	Reason string `json:"reason"`
}

func (setUp) isLampCommand()     {}
func (switchOff) isLampCommand() {}

// Validate has a finding, a domain's code, a defect and a panic to offer.
func (s setUp) Validate() error {
	switch s.Label {
	case "":
		return foldlog.InvalidField("label", "is empty")
	case "burnt":
		return foldlog.Reject("lamp_burnt", "it is burnt")
	case "defect":
		return errors.New("the check itself failed")
	case "panic":
		panic("the check panicked")
	}
	return nil
}

type lampEvent interface{ isLampEvent() }

type lampSetUp setUp

type switchedOff struct {
	Reason string `json:"reason"`
}

func (lampSetUp) isLampEvent()   {}
func (switchedOff) isLampEvent() {}

type lamp struct {
	Label  string           `json:"label"`
	Limits map[string]int64 `json:"limits"`
}

type lampsRow struct {
	Label  string   `json:"label"`
	Events int64    `json:"events"`
	Seen   [][]byte `json:"seen"`
}

func lampTopology() *topology.Topology {
	return topology.New("lamps",
		topology.Aggregate("lamp", foldlog.Decider[lamp, lampCommand, lampEvent]{},
			topology.Commands(topology.Command[setUp]("set-up"), topology.Command[switchOff]("switch-off")),
			topology.Events(topology.Event[lampSetUp]("LampSetUp"), topology.Event[switchedOff]("SwitchedOff"))),
		topology.Projection("lamps", "lamp", foldlog.Projection[lampsRow, lampEvent]{Key: func(foldlog.Event[lampEvent]) string { return "all" }}),
	)
}

func ptr[T any](v T) *T { return &v }

func fullSetUp() setUp {
	return setUp{
		Label: "hall <&> \u2028 ü", Level: -7, Amount: 9223372036854775807, Ratio: 0.1, Share: 1.5, On: true, Blob: []byte{0, 255, 1}, Mode: "bright",
		Tags: []string{"a", "", "c"}, Limits: map[string]int64{"z": 1, "a": -2, "m": 3, "b": 4, "y": 5}, Parts: []part{{"bulb", ptr(int64(3))}, {"shade", nil}},
		Spare: &part{Name: "fuse"}, Note: ptr("n"), At: time.Date(2026, 1, 31, 12, 0, 0, 123456000, time.UTC), Day: time.Date(1993, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

func testLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }

// world is a registry with the lamp's codecs.
type world struct {
	fake     *srfake.Registry
	registry *schemas.Registry
	codecs   *Codecs
	lamp     *Aggregate
	lamps    *Projection
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	fake := srfake.New()
	tb.Cleanup(fake.Close)
	w := &world{fake: fake, registry: schemas.New(schemas.Config{URL: fake.URL()}, testLogger())}
	set, err := schemas.Load(os.DirFS("testdata/lamps"), lampTopology())
	if err != nil {
		tb.Fatal(err)
	}
	w.codecs, err = New(context.Background(), lampTopology(), topology.Names{}, set, w.registry, testLogger())
	if err != nil {
		tb.Fatal(err)
	}
	w.lamp, w.lamps = w.codecs.Aggregate("lamp"), w.codecs.Projection("lamps")
	return w
}

// commandRecord returns a record of the commands topic.
func commandRecord(key string, value []byte, headers ...Header) Record {
	return Record{
		Topic: "lamp.commands", Partition: 3, Offset: 42, Key: []byte(key), Value: value, Headers: headers,
		Timestamp: time.Date(2026, 5, 4, 3, 2, 1, 987654321, time.FixedZone("", 3600)),
	}
}

// fromJSON returns what a command in JSON is to the reader of the record that it becomes.
func (w *world) fromJSON(tb testing.TB, name string, body []byte) (any, *foldlog.Rejection) {
	tb.Helper()
	value, err := w.lamp.EncodeJSON(name, body, foldlog.Command[any]{Meta: foldlog.Meta{CommandID: "c1"}})
	if rejection, refused := foldlog.AsRejection(err); refused {
		return nil, rejection
	}
	if err != nil {
		tb.Fatal(err)
	}
	cmd, err := w.lamp.DecodeCommand(context.Background(), commandRecord("l1", value))
	if err != nil {
		tb.Fatal(err)
	}
	return cmd.Data, cmd.Problem
}
