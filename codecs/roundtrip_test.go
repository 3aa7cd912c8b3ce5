package codecs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	hamba "github.com/hamba/avro/v2"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

func TestEventsComeBack(t *testing.T) {
	w := newWorld(t)
	for _, data := range []any{lampSetUp(fullSetUp()), lampSetUp{Mode: "dim"}, switchedOff{}, switchedOff{Reason: "r"}} {
		e := fullEvent()
		e.Type, e.Data = "LampSetUp", data
		if _, ok := data.(switchedOff); ok {
			e.Type, e.CausationID = "SwitchedOff", ""
		}
		value := w.event(t, e)
		got, err := w.lamp.DecodeEvent(context.Background(), value)
		if err != nil {
			t.Fatal(err)
		}
		if again := w.event(t, got); !bytes.Equal(again, value) {
			t.Errorf("%+v: encoded again it is another value", got)
		}
		if d, ok := data.(lampSetUp); ok && d.Tags == nil {
			// nil and empty are the same
			d.Tags, d.Limits, d.Parts, d.Blob = []string{}, map[string]int64{}, []part{}, []byte{}
			d.At, d.Day = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
			e.Data = d
		}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("got  %+v\nwant %+v", got, e)
		}
	}
}

func TestStatesAndRowsComeBack(t *testing.T) {
	w := newWorld(t)
	state := State{Version: 3, RecordedAt: fullEvent().RecordedAt, Chain: sha256.Sum256([]byte("x")), Data: lamp{Label: "l", Limits: map[string]int64{"a": 1}}}
	value, err := w.lamp.EncodeState(state)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.lamp.DecodeState(context.Background(), value); err != nil || !reflect.DeepEqual(got, state) {
		t.Errorf("got %+v, %v", got, err)
	}
	row := lampsRow{Label: "l", Events: 1 << 62, Seen: [][]byte{{1}, {}}}
	if value, err = w.lamps.EncodeRow(row); err != nil {
		t.Fatal(err)
	}
	if got, err := w.lamps.DecodeRow(context.Background(), value); err != nil || !reflect.DeepEqual(got, row) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, wrong := range []any{nil, &row, switchOff{}} {
		if _, err := w.lamps.EncodeRow(wrong); err == nil {
			t.Errorf("a row of type %T was encoded", wrong)
		}
		if _, err := w.lamp.EncodeState(State{RecordedAt: state.RecordedAt, Data: wrong}); err == nil {
			t.Errorf("a state of type %T was encoded", wrong)
		}
	}
	if _, err := w.lamp.EncodeState(State{RecordedAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), Data: lamp{}}); err == nil {
		t.Error("a time that JSON cannot say was encoded")
	}
}

func TestOutcomesComeBack(t *testing.T) {
	w := newWorld(t)
	accepted := foldlog.Outcome{
		CommandID: "c1", AggregateID: "l1", CommandType: "set-up", Accepted: true, FirstVersion: 3, Version: 4, EventIDs: []string{"e1", "e2"},
		RecordedAt: fullEvent().RecordedAt, CorrelationID: "k1", PayloadHash: []byte{1, 2, 3}, Position: foldlog.Position{Aggregate: "lamp", Partition: 11, Offset: 1 << 40}, Actor: "claimed:batch",
	}
	rejected := foldlog.Outcome{CommandID: "c2", AggregateID: "l1", Code: "invalid_field", Message: "is wrong", Field: "a.b", Version: 4, Repeat: true,
		RecordedAt: accepted.RecordedAt, Position: foldlog.Position{Aggregate: "lamp"}}
	for _, o := range []foldlog.Outcome{accepted, rejected} {
		value, err := w.lamp.EncodeOutcome(o)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := w.lamp.DecodeOutcome(context.Background(), value); err != nil || !reflect.DeepEqual(got, o) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, o)
		}
		// What is written by hand is what any Avro reader reads.
		var fields map[string]any
		if err := hamba.Unmarshal(hamba.MustParse(w.lamp.outcomes.latest.Schema.Text), value[5:], &fields); err != nil || fields["version"] != o.Version || fields["repeat"] != o.Repeat {
			t.Errorf("got %v, %v", fields, err)
		}
	}
	for _, wrong := range []foldlog.Outcome{{RecordedAt: accepted.RecordedAt, Position: foldlog.Position{Aggregate: "other"}}, {CommandID: "\xff",
		RecordedAt: accepted.RecordedAt, Position: accepted.Position}, {RecordedAt: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), Position: accepted.Position}} {
		if _, err := w.lamp.EncodeOutcome(wrong); err == nil {
			t.Errorf("%+v was encoded", wrong)
		}
	}
}

// The envelope that is written by hand is the one of the schema, as the Avro library reads it.
func TestEnvelopesAreAvro(t *testing.T) {
	w := newWorld(t)
	value := w.event(t, fullEvent())
	var fields map[string]any
	schema, err := hamba.ParseWithCache(w.lamp.events.latest.Schema.Text, "", &hamba.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	if err := hamba.Unmarshal(schema, value[5:], &fields); err != nil {
		t.Fatal(err)
	}
	if fields["event_type"] != "LampSetUp" || fields["version"] != int64(7) || !fields["recorded_at"].(time.Time).Equal(fullEvent().RecordedAt) {
		t.Errorf("got %v", fields)
	}
	command := w.encode(t, foldlog.Command[any]{Meta: foldlog.Meta{CommandID: "c"}, ExpectedVersion: ptr(int64(-5)), Data: fullSetUp()})
	schema, err = hamba.ParseWithCache(w.lamp.commands.latest.Schema.Text, "", &hamba.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	fields = nil
	if err := hamba.Unmarshal(schema, command[5:], &fields); err != nil || fields["type"] != "set-up" {
		t.Errorf("got %v, %v", fields, err)
	}
}

// canonicalForm is the specification's Parsing Canonical Form of a parsed schema: PRIMITIVES,
// FULLNAMES, STRIP, ORDER, STRINGS, INTEGERS and WHITESPACE. It strips logical types, which the
// library that decodes does not.
func canonicalForm(schema any, namespace string) string {
	quote := func(s string) string { return `"` + s + `"` }
	switch s := schema.(type) {
	case string:
		primitive := strings.Contains(" null boolean int long float double bytes string ", " "+s+" ")
		if primitive || namespace == "" || strings.Contains(s, ".") {
			return quote(s)
		}
		return quote(namespace + "." + s)
	case []any:
		var branches []string
		for _, b := range s {
			branches = append(branches, canonicalForm(b, namespace))
		}
		return "[" + strings.Join(branches, ",") + "]"
	case map[string]any:
		var parts []string
		typ := s["type"].(string)
		if name, named := s["name"].(string); named {
			if own, ok := s["namespace"].(string); ok {
				namespace = own
			}
			parts = append(parts, `"name":`+canonicalForm(name, namespace))
		}
		parts = append(parts, `"type":`+quote(typ))
		switch typ {
		case "record":
			var fields []string
			for _, f := range s["fields"].([]any) {
				field := f.(map[string]any)
				fields = append(fields, `{"name":`+quote(field["name"].(string))+`,"type":`+canonicalForm(field["type"], namespace)+`}`)
			}
			parts = append(parts, `"fields":[`+strings.Join(fields, ",")+`]`)
		case "enum":
			var symbols []string
			for _, symbol := range s["symbols"].([]any) {
				symbols = append(symbols, quote(symbol.(string)))
			}
			parts = append(parts, `"symbols":[`+strings.Join(symbols, ",")+`]`)
		case "array":
			parts = append(parts, `"items":`+canonicalForm(s["items"], namespace))
		case "map":
			parts = append(parts, `"values":`+canonicalForm(s["values"], namespace))
		default:
			return quote(typ)
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	panic(schema)
}

func TestChain(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	value := w.event(t, fullEvent())
	link, err := w.lamp.Chain(ctx, [32]byte{}, value)
	if err != nil {
		t.Fatal(err)
	}
	// The formula of the contract, with a canonical form that is written from the specification.
	var parsed any
	if err := json.Unmarshal([]byte(readText(t, "testdata/lamps/lamp.events/v1.avsc")), &parsed); err != nil {
		t.Fatal(err)
	}
	fingerprint := sha256.Sum256([]byte(canonicalForm(parsed, "")))
	want := sha256.Sum256(append(append(make([]byte, 32), fingerprint[:]...), value[5:]...))
	if link != want {
		t.Errorf("got %x, want %x", link, want)
	}
	second, err := w.lamp.Chain(ctx, link, value)
	if err != nil || second == link {
		t.Errorf("the next link is %x, %v", second, err)
	}
	// Another registry gives other ids: the chain is the same.
	prefix := w.register(t, string(w.lamp.events.latest.Schema.Canonical()))
	other := append(prefix, value[5:]...)
	if bytes.Equal(other[:5], value[:5]) {
		t.Fatal("the id is the same, so this shows nothing")
	}
	if again, err := w.lamp.Chain(ctx, [32]byte{}, other); err != nil || again != link {
		t.Errorf("got %x, %v", again, err)
	}
}

func TestHeaders(t *testing.T) {
	rec := Record{Topic: "t", Partition: 2, Offset: 3, Timestamp: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)}
	want := map[string]string{
		HeaderCESpecVersion: "1.0", HeaderCEID: fullEvent().EventID, HeaderCESource: "/foldlog/lamps/lamp", HeaderCEType: "LampSetUp",
		HeaderCETime: "2026-05-04T03:02:01.987654Z", HeaderCESubject: "l1", HeaderContentType: "application/avro",
		HeaderOriginTopic: "t", HeaderOriginPartition: "2", HeaderOriginOffset: "3",
		HeaderDeadLetterCause: "why\uFFFD", HeaderDeadLetterTopic: "t", HeaderDeadLetterPartition: "2", HeaderDeadLetterOffset: "3",
		HeaderDeadLetterTimestamp: "2026-01-02T03:04:05.000006Z", HeaderDeadLetterGroup: "g",
	}
	headers := append(CloudEventHeaders(CloudEventSource("lamps", "lamp"), fullEvent()), Forwarded(rec, "a").Headers...)
	for _, h := range append(headers, DeadLetter(rec, "d", "g", errors.New("why\xff")).Headers...) {
		if want[h.Key] != string(h.Value) {
			t.Errorf("%s is %q, want %q", h.Key, h.Value, want[h.Key])
		}
		delete(want, h.Key)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// A dead letter fits into its topic, whatever the input is: what is left out can be read at the
// coordinates.
func TestDeadLettersFit(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 3<<20)
	for name, in := range map[string]Record{
		"a large value":   {Key: []byte("k"), Value: large},
		"a large key":     {Key: large, Value: []byte("v")},
		"both":            {Key: large, Value: large},
		"a large header":  {Key: []byte("k"), Value: []byte("v"), Headers: []Header{{Key: "h", Value: large}}},
		"many headers":    {Key: []byte("k"), Headers: make([]Header, 150_000)},
		"all of it large": {Key: large, Value: large, Headers: []Header{{Key: string(large)}}},
		"just too large":  {Value: large[:topology.MaxRecordBytes-10]},
	} {
		letter := DeadLetter(in, "d", "g", errors.New(string(large)))
		truncated := string(letter.Header(HeaderDeadLetterTruncated)) == "true"
		if letter.Size() > topology.MaxRecordBytes+1<<10 {
			t.Errorf("%s: a dead letter of %d bytes", name, letter.Size())
		}
		if whole := len(letter.Key) == len(in.Key) && len(letter.Value) == len(in.Value); whole == truncated {
			t.Errorf("%s: key of %d bytes, value of %d, truncated %v", name, len(letter.Key), len(letter.Value), truncated)
		}
	}
	if letter := DeadLetter(Record{Headers: []Header{{Key: "own", Value: []byte("1")}}}, "d", "g", errors.New("why")); string(letter.Header("own")) != "1" {
		t.Errorf("the input's own headers are lost: %v", letter.Headers)
	}
}

func TestRawNeverFails(t *testing.T) {
	for _, b := range [][]byte{nil, {}, {1, 2}} {
		value, err := Raw{}.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := (Raw{}).Encode(value); err != nil || !bytes.Equal(back, b) {
			t.Errorf("got %v, %v", back, err)
		}
	}
	if back, err := (Raw{}).Encode(nil); err != nil || back != nil {
		t.Errorf("nil became %v, %v", back, err)
	}
}

func TestOutageIsNotPoison(t *testing.T) {
	w := newWorld(t)
	known := w.event(t, fullEvent())
	foreign := append(w.register(t, readForeign), 0)
	w.fake.Close()
	fresh := schemas.New(schemas.Config{URL: w.fake.URL(), Timeout: time.Second}, testLogger())
	w.lamp.events.registry, w.lamp.commands.registry, w.lamp.states.registry = fresh, fresh, fresh
	if _, err := w.lamp.DecodeEvent(context.Background(), known); err != nil {
		t.Errorf("a schema that was seen before: %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, ctx := range []context.Context{context.Background(), ended} {
		_, event := w.lamp.DecodeEvent(ctx, foreign)
		_, command := w.lamp.DecodeCommand(ctx, commandRecord("l1", foreign))
		_, state := w.lamp.DecodeState(ctx, foreign)
		_, chain := w.lamp.Chain(ctx, [32]byte{}, foreign)
		for what, err := range map[string]error{"event": event, "command": command, "state": state, "chain": chain} {
			if !errors.Is(err, schemas.ErrUnavailable) || isUndecodable(err) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

const readForeign = `{"type":"record","name":"Foreign","fields":[]}`
