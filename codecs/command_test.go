package codecs

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/topology"
)

func (w *world) encode(tb testing.TB, cmd foldlog.Command[any]) []byte {
	tb.Helper()
	value, err := w.lamp.EncodeCommand(cmd)
	if err != nil {
		tb.Fatal(err)
	}
	return value
}

func (w *world) decode(tb testing.TB, rec Record) Command {
	tb.Helper()
	cmd, err := w.lamp.DecodeCommand(context.Background(), rec)
	if err != nil {
		tb.Fatalf("%s: %v", rec.Value, err)
	}
	return cmd
}

const fullJSON = `{"label":"hall <&> \u2028 \u00fc","level":-7,"amount":9223372036854775807,"ratio":0.1,"share":1.5,"on":true,"blob":"AP8B",
	"mode":"bright","tags":["a","","c"],"limits":{"z":1,"a":-2,"m":3,"b":4,"y":5},"parts":[{"name":"bulb","weight":3},{"name":"shade"}],
	"spare":{"name":"fuse","weight":null},"note":"n","at":"2026-01-31T13:00:00.123456+01:00","day":"1993-01-01"}`

func TestJSONAndAvroMeanTheSame(t *testing.T) {
	w := newWorld(t)
	meta := foldlog.Meta{AggregateID: "l1", CommandID: "c1", CorrelationID: "k1", CausationID: "e1", Actor: "ann"}
	avro := w.encode(t, foldlog.Command[any]{Meta: meta, ExpectedVersion: ptr(int64(4)), Data: fullSetUp()})
	text := `{"data": ` + fullJSON + `, "command_id": "c1", "type":"set-up", "aggregate_id":"l1", "expected_version": 4, "correlation_id":"k1",
		"causation_id":"e1", "actor":"ann"}`
	fromAvro := w.decode(t, commandRecord("l1", avro))
	fromJSON := w.decode(t, commandRecord("l1", []byte(text)))
	if fromJSON.Problem != nil {
		t.Fatal(fromJSON.Problem)
	}
	if !reflect.DeepEqual(fromAvro, fromJSON) {
		t.Errorf("Avro: %+v\nJSON: %+v", fromAvro, fromJSON)
	}
	if !reflect.DeepEqual(fromJSON.Data, fullSetUp()) {
		t.Errorf("got %+v\nwant %+v", fromJSON.Data, fullSetUp())
	}
	want := meta
	want.Actor = "claimed:ann"
	want.RecordedAt = time.Date(2026, 5, 4, 2, 2, 1, 987654000, time.UTC)
	if fromJSON.Meta != want {
		t.Errorf("meta %+v, want %+v", fromJSON.Meta, want)
	}
	if fromJSON.Spec.Name != "set-up" || fromJSON.Type != "set-up" || *fromJSON.ExpectedVersion != 4 {
		t.Errorf("got %+v", fromJSON)
	}
}

func TestDefaultsOfACommand(t *testing.T) {
	w := newWorld(t)
	cmd := w.decode(t, commandRecord("l1", []byte(`{"type":"switch-off","data":{}}`)))
	want := foldlog.Meta{AggregateID: "l1", CommandID: "lamp.commands-3-42", CorrelationID: "lamp.commands-3-42", Actor: "anonymous",
		RecordedAt: time.Date(2026, 5, 4, 2, 2, 1, 987654000, time.UTC)}
	if cmd.Meta != want || cmd.Problem != nil || cmd.Data != (switchOff{}) || cmd.ExpectedVersion != nil {
		t.Errorf("got %+v, want %+v", cmd, want)
	}
	explicit := w.decode(t, commandRecord("l1", []byte(`{"type":"switch-off","data":{"reason":""},"command_id":null,"aggregate_id":null,
		"correlation_id":null,"causation_id":null,"actor":null,"expected_version":null}`)))
	if !reflect.DeepEqual(cmd, explicit) {
		t.Errorf("null is not absent: %+v, %+v", explicit, cmd)
	}
}

func TestForwardedCommandKeepsItsFirstPlaceAsID(t *testing.T) {
	w := newWorld(t)
	first := Record{Topic: "lamp.commands", Partition: 7, Offset: 9}
	rec := commandRecord("l1", []byte(`{"type":"switch-off","data":{}}`), Forwarded(first, "l1").Headers...)
	if got := w.decode(t, rec).CommandID; got != "lamp.commands-7-9" {
		t.Errorf("got %s", got)
	}
	rec.Headers[1].Value = []byte("7 \x00")
	if _, err := w.lamp.DecodeCommand(context.Background(), rec); !isUndecodable(err) {
		t.Errorf("a forged origin: %v", err)
	}
}

func TestRecordWithoutKeyIsAddressedByItsBody(t *testing.T) {
	w := newWorld(t)
	for _, key := range [][]byte{nil, {}} {
		rec := commandRecord("", []byte(`{"type":"switch-off","data":{},"aggregate_id":"l9"}`))
		rec.Key = key
		if cmd := w.decode(t, rec); cmd.AggregateID != "l9" || cmd.Problem != nil {
			t.Errorf("got %+v", cmd)
		}
	}
}

func TestActor(t *testing.T) {
	w := newWorld(t)
	avro := w.encode(t, foldlog.Command[any]{Meta: foldlog.Meta{AggregateID: "l1", Actor: "policy:x"}, Data: switchOff{}})
	if got := w.decode(t, commandRecord("l1", avro)).Actor; got != "claimed:policy:x" {
		t.Errorf("a claim passes as %s", got)
	}
	vouched := Header{Key: HeaderActor, Value: []byte("policy:x")}
	if got := w.decode(t, commandRecord("l1", avro, vouched)).Actor; got != "policy:x" {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{"\xff", strings.Repeat("x", 201)} {
		cmd := w.decode(t, commandRecord("l1", avro, Header{Key: HeaderActor, Value: []byte(bad)}))
		if cmd.Problem == nil || cmd.Problem.Field != "actor" || cmd.Actor != "anonymous" {
			t.Errorf("%q: %+v", bad, cmd)
		}
	}
}

func TestContentType(t *testing.T) {
	w := newWorld(t)
	avro := w.encode(t, foldlog.Command[any]{Data: switchOff{}})
	text := []byte(`{"type":"switch-off","data":{}}`)
	for _, c := range []struct {
		contentType string
		value       []byte
		ok          bool
	}{
		{"", avro, true}, {"", text, true},
		{"application/avro", avro, true}, {"application/avro", text, false},
		{"application/json", text, true}, {"application/json", avro, false},
		{"application/json; charset=utf-8", text, true}, {"Application/JSON", text, true},
		{"application/vnd.foldlog+json", text, true}, {"application/vnd.foldlog+json", avro, false},
		{"avro/binary", avro, true}, {"text/plain", text, true}, {"text/plain", avro, true}, {";;;", avro, true}, {"\xff", text, true},
	} {
		_, err := w.lamp.DecodeCommand(context.Background(), commandRecord("l1", c.value, Header{Key: HeaderContentType, Value: []byte(c.contentType)}))
		if (err == nil) != c.ok || err != nil && !isUndecodable(err) {
			t.Errorf("content type %q of %q: %v", c.contentType, c.value[:1], err)
		}
	}
}

func isUndecodable(err error) bool {
	var u *Undecodable
	return errors.As(err, &u)
}

func TestUndecodableCommands(t *testing.T) {
	w := newWorld(t)
	avro := func(cmd foldlog.Command[any]) string { return string(w.encode(t, cmd)) }
	good := foldlog.Command[any]{Meta: foldlog.Meta{AggregateID: "l1", CommandID: "c"}, Data: switchOff{}}
	badID := good
	badID.CommandID = "a b"
	const off = `"type":"switch-off","data":{}`
	for _, c := range []struct{ name, key, value, cause string }{
		{"nothing", "l1", "", "is empty"},
		{"no key, no id", "", `{` + off + `}`, "neither a key nor an aggregate_id"},
		{"no key, bad id", "", `{` + off + `,"aggregate_id":"__x"}`, "aggregate_id"},
		{"no key, id of another type", "", `{` + off + `,"aggregate_id":7}`, "aggregate_id: must be a string, not the number 7"},
		{"no key, id twice", "", `{` + off + `,"aggregate_id":"a","aggregate_id":"a"}`, "aggregate_id: appears twice"},
		{"bad key", "__offset", `{` + off + `}`, "record key"},
		{"key is no text", "\xff", `{` + off + `}`, "record key"},
		{"bad command id", "l1", `{` + off + `,"command_id":"a b"}`, "command_id"},
		{"long command id", "l1", `{` + off + `,"command_id":"` + strings.Repeat("x", 201) + `"}`, "201 characters"},
		{"empty command id", "l1", `{` + off + `,"command_id":""}`, "command_id: is empty"},
		{"number as command id", "l1", `{` + off + `,"command_id":1}`, "command_id: must be a string"},
		{"command id twice", "l1", `{` + off + `,"command_id":"a","command_id":"a"}`, "command_id: appears twice"},
		{"command id twice, once escaped", "l1", `{` + off + `,"command_id":"a","command\u005fid":"b"}`, "command_id: appears twice"},
		{"half a surrogate", "l1", `{` + off + `,"command_id":"\ud800"}`, "surrogate"},
		{"syntax", "l1", `{"command_id":"c1",` + off, "not JSON"},
		{"trailing data", "l1", `{` + off + `} {}`, "not JSON"},
		{"no UTF-8", "l1", "{" + off + ",\"actor\":\"\xff\"}", "UTF-8"},
		{"no object", "l1", `[]`, "an array"},
		{"a number", "l1", `12`, "the number 12"},
		{"too large", "l1", `{` + off + `}` + strings.Repeat(" ", topology.MaxCommandBytes), "more than a command may have"},
		{"Avro with a bad command id", "l1", avro(badID), "command_id"},
		{"Avro, bytes after it", "l1", avro(good) + "\x00", "after its end"},
		{"Avro, cut", "l1", avro(good)[:10], "claims a length"},
		{"only a prefix", "l1", avro(good)[:5], "ends in the middle"},
		{"less than a prefix", "l1", avro(good)[:4], "wire format"},
		{"unknown schema id", "l1", "\x00\x00\x0f\x00\x00" + avro(good)[5:], "unknown to the registry"},
		{"impossible schema id", "l1", "\x00\xff\xff\xff\xff" + avro(good)[5:], "unknown to the registry"},
	} {
		_, err := w.lamp.DecodeCommand(context.Background(), commandRecord(c.key, []byte(c.value)))
		var u *Undecodable
		if !errors.As(err, &u) || !strings.Contains(u.Cause.Error(), c.cause) || string(u.Raw) != c.value {
			t.Errorf("%s: %v, want %q", c.name, err, c.cause)
		}
	}
	if _, err := w.lamp.DecodeCommand(context.Background(), Record{Key: []byte("l1")}); !isUndecodable(err) {
		t.Errorf("no value: %v", err)
	}
}

func TestProblems(t *testing.T) {
	w := newWorld(t)
	good := strings.TrimSpace(fullJSON)
	with := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%s is not in the JSON", old)
		}
		return `{"type":"set-up","command_id":"c1","data":` + strings.Replace(good, old, new, 1) + `}`
	}
	off := func(more string) string { return `{"type":"switch-off","command_id":"c1","data":{}` + more + `}` }
	for _, c := range []struct{ value, code, field string }{
		{`{"type":"switch-on","command_id":"c1","data":{}}`, "invalid_field", "type"},
		{`{"command_id":"c1","data":{}}`, "invalid_field", "type"},
		{`{"type":null,"command_id":"c1","data":{}}`, "invalid_field", "type"},
		{`{"type":7,"command_id":"c1","data":{}}`, "invalid_field", "type"},
		{`{"type":"switch-off","command_id":"c1"}`, "invalid_field", "data"},
		{`{"type":"switch-off","command_id":"c1","data":null}`, "invalid_field", "data"},
		{`{"type":"switch-off","command_id":"c1","data":[]}`, "invalid_field", "data"},
		{`{"type":"switch-off","command_id":"c1","data":{"reason":1}}`, "invalid_field", "reason"},
		{`{"type":"switch-off","command_id":"c1","data":{"reason":null}}`, "invalid_field", "reason"},
		{`{"type":"switch-off","command_id":"c1","data":{"x":{"y":1}}}`, "invalid_field", "x"},
		{`{"type":"switch-off","command_id":"c1","data":{"reason":"a","reason":"a"}}`, "invalid_field", "reason"},
		{off(`,"extra":1`), "invalid_field", "extra"},
		{off(`,"type":"switch-off"`), "invalid_field", "type"},
		{off(`,"data":{}`), "invalid_field", "data"},
		{off(`,"expected_version":-1`), "invalid_field", "expected_version"},
		{off(`,"expected_version":1.0`), "invalid_field", "expected_version"},
		{off(`,"expected_version":9223372036854775808`), "invalid_field", "expected_version"},
		{off(`,"expected_version":"1"`), "invalid_field", "expected_version"},
		{off(`,"correlation_id":""`), "invalid_field", "correlation_id"},
		{off(`,"causation_id":"a b"`), "invalid_field", "causation_id"},
		{off(`,"actor":{}`), "invalid_field", "actor"},
		{off(`,"aggregate_id":7`), "invalid_field", "aggregate_id"},
		{off(`,"aggregate_id":"__x"`), "invalid_field", "aggregate_id"},
		{off(`,"aggregate_id":"l2"`), "key_mismatch", ""},
		{off(`,"aggregate_id":"l2","extra":1`), "invalid_field", "extra"},
		{with(`9223372036854775807`, `9223372036854775808`), "invalid_field", "amount"},
		{with(`-7`, `2147483648`), "invalid_field", "level"},
		{with(`"label":"hall <&> \u2028 \u00fc"`, `"label":""`), "invalid_field", "label"},
		{with(`hall <&> \u2028 \u00fc`, `burnt`), "lamp_burnt", ""},
		{with(`hall <&> \u2028 \u00fc`, `defect`), "internal_error", ""},
		{with(`hall <&> \u2028 \u00fc`, `panic`), "internal_error", ""},
		{with(`hall <&> \u2028 \u00fc","level":-7`, `burnt","level":1e0`), "invalid_field", "level"},
		{with(`"weight":3`, `"weight":"3"`), "invalid_field", "parts[0].weight"},
		{with(`{"name":"shade"}`, `{}`), "invalid_field", "parts[1].name"},
		{with(`"a":-2`, `"a":null`), "invalid_field", "limits.a"},
		{with(`"a":-2`, `"z":1`), "invalid_field", "limits.z"},
		{with(`"name":"fuse"`, `"name":"fuse","more":1`), "invalid_field", "spare.more"},
	} {
		cmd, err := w.lamp.DecodeCommand(context.Background(), commandRecord("l1", []byte(c.value)))
		if err != nil {
			t.Errorf("%s: %v", c.value, err)
			continue
		}
		if cmd.Problem == nil || cmd.Problem.Code != c.code || cmd.Problem.Field != c.field {
			t.Errorf("%s: %+v, want %s of %q", c.value, cmd.Problem, c.code, c.field)
		}
		if cmd.AggregateID != "l1" || cmd.CommandID != "c1" || cmd.CorrelationID == "" || cmd.Data != nil || len(cmd.PayloadHash) != 32 {
			t.Errorf("%s: %+v", c.value, cmd)
		}
	}
}

func TestDomainCodeComesAfterKeyMismatch(t *testing.T) {
	w := newWorld(t)
	value := w.encode(t, foldlog.Command[any]{Meta: foldlog.Meta{AggregateID: "l2"}, Data: setUp{Label: "burnt", Mode: "dim"}})
	if cmd := w.decode(t, commandRecord("l1", value)); cmd.Problem == nil || cmd.Problem.Code != foldlog.CodeKeyMismatch {
		t.Errorf("got %+v", cmd.Problem)
	}
	value = w.encode(t, foldlog.Command[any]{Meta: foldlog.Meta{AggregateID: "l2"}, Data: setUp{Mode: "dim"}})
	if cmd := w.decode(t, commandRecord("l1", value)); cmd.Problem == nil || cmd.Problem.Field != "label" {
		t.Errorf("got %+v", cmd.Problem)
	}
}

func TestUnknownTypeIsRepeatedWithinBounds(t *testing.T) {
	w := newWorld(t)
	cmd := w.decode(t, commandRecord("l1", []byte(`{"type":"`+strings.Repeat("ü", 500)+`","data":{}}`)))
	if cmd.Type != strings.Repeat("ü", 100) || cmd.Problem.Field != "type" || len(cmd.Problem.Message) > 300 {
		t.Errorf("type %q, problem %v", cmd.Type, cmd.Problem)
	}
}

func TestCommandsCanBeReadWithoutTheirHash(t *testing.T) {
	w := newWorld(t)
	for _, value := range []string{`{"type":"switch-off","data":{"reason":"a"}}`, `{"type":"switch-off","data":{"reason":1}}`, `{"type":"x","data":{}}`,
		string(w.encode(t, foldlog.Command[any]{Meta: foldlog.Meta{CommandID: "y"}, Data: switchOff{Reason: "a"}}))} {
		want := w.decode(t, commandRecord("l1", []byte(value)))
		got, err := w.lamp.DecodeCommandUnhashed(t.Context(), commandRecord("l1", []byte(value)))
		if want.PayloadHash = nil; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; with a hash: %+v", value, got, err, want)
		}
	}
}

func TestPayloadHash(t *testing.T) {
	w := newWorld(t)
	hash := func(value string) []byte { return w.decode(t, commandRecord("l1", []byte(value))).PayloadHash }
	base := hash(`{"type":"switch-off","data":{"reason":"a"}}`)
	for _, same := range []string{
		`{"data":{"reason":"a"},"type":"switch-off"}`,
		` {"type" : "switch\u002doff" , "data":{"reason":"\u0061"}, "command_id":"other", "actor":"x", "correlation_id":"k"} `,
		string(w.encode(t, foldlog.Command[any]{Meta: foldlog.Meta{CommandID: "y"}, Data: switchOff{Reason: "a"}})),
	} {
		if !bytes.Equal(hash(same), base) {
			t.Errorf("%q: another hash", same)
		}
	}
	seen := map[string]string{string(base): "base"}
	for _, other := range []string{
		`{"type":"switch-off","data":{"reason":"b"}}`, `{"type":"switch-off","data":{}}`,
		`{"type":"switch-off","data":{"reason":"a"},"expected_version":0}`, `{"type":"switch-off","data":{"reason":"a"},"expected_version":1}`,
		`{"type":"switch-off","data":{"reason":1}}`, `{"type":"switch-off","data":{"reason":2}}`, `{"type":"x","data":{"reason":"a"}}`,
	} {
		h := string(hash(other))
		if have, taken := seen[h]; taken {
			t.Errorf("%s has the hash of %s", other, have)
		}
		seen[h] = other
	}
	// Maps are written in any order, arrays in any blocks: it is the same data.
	full := w.encode(t, foldlog.Command[any]{Data: fullSetUp()})
	for range 20 {
		if again := w.encode(t, foldlog.Command[any]{Data: fullSetUp()}); !bytes.Equal(full, again) {
			t.Fatal("the same value gave other bytes")
		}
	}
	fromJSON := hash(`{"type":"set-up","data":` + fullJSON + `}`)
	if !bytes.Equal(fromJSON, hash(string(full))) {
		t.Error("JSON and Avro of the same data have different hashes")
	}
}

func TestEncodeJSON(t *testing.T) {
	w := newWorld(t)
	data, r := w.fromJSON(t, "set-up", []byte(" "+fullJSON+"\n"))
	if r != nil || !reflect.DeepEqual(data, fullSetUp()) {
		t.Errorf("got %+v, %v", data, r)
	}
	for _, c := range []struct{ command, body, code, field string }{
		{"switch-off", ``, "malformed", ""}, {"switch-off", `{`, "malformed", ""}, {"switch-off", `[]`, "malformed", ""}, {"switch-off", `null`, "malformed", ""},
		{"switch-off", "{\"reason\":\"\xff\"}", "malformed", ""}, {"switch-off", `{}{}`, "malformed", ""},
		{"switch-off", strings.Repeat("[", 20000), "malformed", ""}, {"switch-off", `{"reason":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`, "invalid_field", "reason"},
		{"switch-off", `{"reason":"a","x":1}`, "invalid_field", "x"}, {"set-up", `{}`, "invalid_field", "label"}, {"no-such", `{}`, "invalid_field", "type"},
		{"set-up", `{"label":"","level":0,"amount":0,"ratio":0,"share":0,"on":false,"blob":"","mode":"dim"}`, "invalid_field", "label"},
	} {
		data, r := w.fromJSON(t, c.command, []byte(c.body))
		if data != nil || r == nil || r.Code != c.code || r.Field != c.field {
			t.Errorf("%s %.40s: %v, %v", c.command, c.body, data, r)
		}
	}
}

func TestEncodeCommandRefusesWhatCouldNotBeRead(t *testing.T) {
	w := newWorld(t)
	tooLate := fullSetUp()
	tooLate.At = time.Date(10001, 1, 1, 0, 0, 0, 0, time.UTC)
	badText := fullSetUp()
	badText.Parts[0].Name = "\xff"
	badMode := fullSetUp()
	badMode.Mode = "off"
	for _, data := range []any{nil, 7, &switchOff{}, switchedOff{}, tooLate, badText, badMode, switchOff{Reason: "\xc3\x28"}} {
		if value, err := w.lamp.EncodeCommand(foldlog.Command[any]{Data: data}); err == nil {
			t.Errorf("%#v was encoded: %x", data, value)
		}
	}
	if _, err := w.lamp.EncodeCommand(foldlog.Command[any]{Meta: foldlog.Meta{Actor: "\xff"}, Data: switchOff{}}); err == nil {
		t.Error("an actor that is no text was encoded")
	}
}
