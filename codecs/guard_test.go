package codecs

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/schemas"
)

// register puts a writer's schema into the registry, past every check, and returns a value's
// prefix.
func (w *world) register(tb testing.TB, schema string) []byte {
	tb.Helper()
	id, err := w.registry.Register(context.Background(), "foreign-value", schema)
	if err != nil {
		tb.Fatal(err)
	}
	return avro.AppendPrefix(nil, id)
}

func (w *world) event(tb testing.TB, e foldlog.Event[any]) []byte {
	tb.Helper()
	value, err := w.lamp.EncodeEvent(e)
	if err != nil {
		tb.Fatal(err)
	}
	return value
}

func fullEvent() foldlog.Event[any] {
	return foldlog.Event[any]{
		Meta: foldlog.Meta{AggregateID: "l1", CommandID: "c1", CorrelationID: "k1", CausationID: "c1", Actor: "anonymous",
			RecordedAt: time.Date(2026, 5, 4, 3, 2, 1, 987654000, time.UTC)},
		EventID: foldlog.EventID("c1", "l1", 0), Type: "LampSetUp", Version: 7, Data: lampSetUp(fullSetUp()),
	}
}

func TestEveryTruncatedPrefixIsRefused(t *testing.T) {
	w := newWorld(t)
	value := w.event(t, fullEvent())
	for n := range value {
		if _, err := w.lamp.DecodeEvent(context.Background(), value[:n:n]); !isUndecodable(err) {
			t.Errorf("the first %d of %d bytes: %v", n, len(value), err)
		}
	}
	if _, err := w.lamp.DecodeEvent(context.Background(), append(value[:len(value):len(value)], 0)); !isUndecodable(err) {
		t.Errorf("a byte more: %v", err)
	}
}

func TestHugeLengthsCostNothing(t *testing.T) {
	w := newWorld(t)
	number := func(n int64) []byte { return binary.AppendVarint(nil, n) }
	row := w.lamps
	for name, body := range map[string][]byte{
		"array count 2^40":           append([]byte{0, 0}, number(1<<40)...),
		"array count 2^62":           append([]byte{0, 0}, number(1<<62)...),
		"negative array count":       append(append([]byte{0, 0}, number(-1<<40)...), number(8)...),
		"smallest array count":       append(append([]byte{0, 0}, number(math.MinInt64)...), number(8)...),
		"string of 2^40":             number(1 << 40),
		"string of -1":               number(-1),
		"string of smallest":         number(math.MinInt64),
		"bytes of 2^31 in an array":  append([]byte{0, 0, 2}, number(1<<31)...),
		"number without end":         {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"number of more than 64 bit": {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := row.DecodeRow(context.Background(), append(avro.AppendPrefix(nil, row.rows.id), body...))
		runtime.ReadMemStats(&after)
		if !isUndecodable(err) {
			t.Errorf("%s: %v", name, err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
			t.Errorf("%s: allocated %d bytes", name, grown)
		}
	}
}

func TestWorkIsBoundedByTheInput(t *testing.T) {
	w := newWorld(t)
	// A record that doubles at each of 25 levels, without a byte of data: 2^25 values.
	schema := `{"type":"record","name":"R","fields":[]}`
	for level := range 25 {
		inner := "R" + string(rune('a'+level))
		schema = strings.Replace(schema, `"fields":[]`, `"fields":[{"name":"a","type":{"type":"record","name":"`+inner+`","fields":[]}},{"name":"b","type":"`+inner+`"}]`, 1)
	}
	for name, writer := range map[string]string{
		"doubling records": `{"type":"record","name":"LampsRow","namespace":"test","fields":[{"name":"label","type":"string"},{"name":"events","type":"long"},
			{"name":"seen","type":{"type":"array","items":"bytes"}},{"name":"more","type":` + schema + `}]}`,
		"array of nothing": `{"type":"record","name":"LampsRow","namespace":"test","fields":[{"name":"label","type":"string"},{"name":"events","type":"long"},
			{"name":"seen","type":{"type":"array","items":"bytes"}},{"name":"more","type":{"type":"array","items":"null"}}]}`,
	} {
		if _, err := avro.Parse(writer); err != nil {
			t.Fatalf("%s: refused as a schema: %v", name, err)
		}
		value := append(w.register(t, writer), 0, 0, 0)
		if name == "array of nothing" {
			value = append(binary.AppendVarint(value, 1<<30), 0)
		}
		start := time.Now()
		_, err := w.lamps.DecodeRow(context.Background(), value)
		if !isUndecodable(err) || time.Since(start) > time.Second {
			t.Errorf("%s: %v after %s", name, err, time.Since(start))
		}
	}
}

func TestHostileSchemasAreRefused(t *testing.T) {
	w := newWorld(t)
	row := func(more string) string {
		return `{"type":"record","name":"LampsRow","namespace":"test","fields":[{"name":"label","type":"string"},{"name":"events","type":"long"},
			{"name":"seen","type":{"type":"array","items":"bytes"}}` + more + `]}`
	}
	for name, c := range map[string]struct{ schema, cause string }{
		"recursive":   {row(`,{"name":"next","type":["null","LampsRow"],"default":null}`), "contains itself"},
		"recursive 2": {row(`,{"name":"next","type":{"type":"array","items":{"type":"map","values":"test.LampsRow"}},"default":[]}`), "contains itself"},
		"deep":        {row(`,{"name":"d","type":` + strings.Repeat(`{"type":"array","items":`, 200) + `"int"` + strings.Repeat(`}`, 200) + `}`), "nested"},
		"no schema":   {`{"type":"recrod"}`, ""},
		"no JSON":     {`{{{{`, ""},
		"no record":   {`"string"`, "cannot be read"},
		"other":       {`{"type":"record","name":"Other","fields":[]}`, "record Other is not record test.LampsRow"},
		"other type":  {strings.Replace(row(""), `"long"`, `"string"`, 1), "events"},
		"missing":     {strings.Replace(row(""), `{"name":"events","type":"long"},`, ``, 1), "events"},
		"huge":        {row(`,{"name":"x","type":"null","doc":"` + strings.Repeat("x", 2<<20) + `"}`), "at most"},
	} {
		got := w.lamps.rows.newWriter(c.schema)
		if got.err == nil || !strings.Contains(got.err.Error(), c.cause) {
			t.Errorf("%s: %v, want %q", name, got.err, c.cause)
		}
	}
}

func TestBytesDoNotShareMemory(t *testing.T) {
	w := newWorld(t)
	row := lampsRow{Label: "x", Seen: [][]byte{{1, 2}, {3, 4}, {5, 6}}}
	value, err := w.lamps.EncodeRow(row)
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.lamps.DecodeRow(context.Background(), value)
	if err != nil {
		t.Fatal(err)
	}
	seen := got.(lampsRow).Seen
	_ = append(seen[0], 99)
	if seen[1][0] != 3 {
		t.Errorf("appending to one []byte changed its neighbour: %v", seen)
	}
	for i := range value {
		value[i] = 0xee // the reader of a log reuses its buffers
	}
	if seen[2][1] != 6 || got.(lampsRow).Label != "x" {
		t.Errorf("the value still refers to the record: %+v", got)
	}
}

func TestDecodedValuesDoNotShareMemory(t *testing.T) {
	w := newWorld(t)
	value := w.event(t, fullEvent())
	decode := func() lampSetUp {
		e, err := w.lamp.DecodeEvent(context.Background(), value)
		if err != nil {
			t.Fatal(err)
		}
		return e.Data.(lampSetUp)
	}
	first := decode()
	second := decode()
	first.Tags[0], first.Limits["a"], *first.Parts[0].Weight, first.Spare.Name = "changed", 99, 99, "changed"
	if second.Tags[0] != "a" || second.Limits["a"] != -2 || *second.Parts[0].Weight != 3 || second.Spare.Name != "fuse" {
		t.Errorf("two values share memory: %+v", second)
	}
}

func TestUnreadableValuesOfEverySort(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	good := fullEvent()
	state, err := w.lamp.EncodeState(State{Version: 1, RecordedAt: good.RecordedAt, Data: lamp{}})
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := w.lamp.EncodeOutcome(foldlog.Outcome{CommandID: "c", RecordedAt: good.RecordedAt, Position: foldlog.Position{Aggregate: "lamp"}})
	if err != nil {
		t.Fatal(err)
	}
	decoders := map[string]func([]byte) error{
		"event":   func(b []byte) error { _, err := w.lamp.DecodeEvent(ctx, b); return err },
		"state":   func(b []byte) error { _, err := w.lamp.DecodeState(ctx, b); return err },
		"outcome": func(b []byte) error { _, err := w.lamp.DecodeOutcome(ctx, b); return err },
		"row":     func(b []byte) error { _, err := w.lamps.DecodeRow(ctx, b); return err },
		"chain":   func(b []byte) error { _, err := w.lamp.Chain(ctx, [32]byte{}, b); return err },
	}
	values := map[string][]byte{"event": w.event(t, good), "state": state, "outcome": outcome}
	for name, decode := range decoders {
		inputs := map[string][]byte{"nil": nil, "empty": {}, "JSON": []byte(`{}`), "unknown id": {0, 0, 0x7f, 0, 0, 1}}
		for other, value := range values {
			if other != name && name != "chain" {
				inputs["a value of "+other] = value
			}
		}
		for what, input := range inputs {
			if err := decode(input); !isUndecodable(err) || errors.Is(err, schemas.ErrUnavailable) {
				t.Errorf("%s given %s: %v", name, what, err)
			}
		}
	}
}

func TestEventsThatContradictThemselves(t *testing.T) {
	w := newWorld(t)
	good := w.event(t, fullEvent())
	wrongType := []byte(strings.Replace(string(good), "LampSetUp", "LampSetUq", 1))
	if _, err := w.lamp.DecodeEvent(context.Background(), wrongType); !isUndecodable(err) || !strings.Contains(err.Error(), "event_type") {
		t.Errorf("got %v", err)
	}
	for name, change := range map[string]func(*foldlog.Event[any]){
		"type":      func(e *foldlog.Event[any]) { e.Type = "SwitchedOff" },
		"version":   func(e *foldlog.Event[any]) { e.Version = 0 },
		"data":      func(e *foldlog.Event[any]) { e.Data = nil },
		"data type": func(e *foldlog.Event[any]) { e.Data = switchOff{} },
		"time":      func(e *foldlog.Event[any]) { e.RecordedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"text":      func(e *foldlog.Event[any]) { e.Actor = "\xff" },
		"not finite": func(e *foldlog.Event[any]) {
			d := e.Data.(lampSetUp)
			d.Ratio = math.NaN()
			e.Data = d
		},
	} {
		e := fullEvent()
		change(&e)
		if value, err := w.lamp.EncodeEvent(e); err == nil {
			t.Errorf("%s: encoded as %x", name, value)
		}
	}
}
