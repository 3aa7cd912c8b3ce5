package codecs

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	hamba "github.com/hamba/avro/v2"

	"github.com/foldlog/foldlog"
)

func readText(tb testing.TB, name string) string {
	tb.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// During a rolling upgrade old processes read what new ones write.
func TestOldReaderTakesWhatItKnowsOfANewerSchema(t *testing.T) {
	w := newWorld(t)
	newer := strings.Replace(readText(t, "testdata/lamps/lamp.events/v1.avsc"), `{"type": "record", "name": "SwitchedOff"`,
		`{"type": "record", "name": "LampSold", "fields": [{"name": "price", "type": "long"}]}, {"type": "record", "name": "SwitchedOff"`, 1)
	newer = strings.Replace(newer, `{"name": "actor", "type": "string"}`, `{"name": "tenant", "type": "string"}, {"name": "actor", "type": "string"}`, 1)
	prefix := w.register(t, newer)
	encode := func(branch string, data map[string]any) []byte {
		schema, err := hamba.ParseWithCache(newer, "", &hamba.SchemaCache{})
		if err != nil {
			t.Fatal(err)
		}
		body, err := hamba.Marshal(schema, map[string]any{"event_id": "e", "event_type": branch, "aggregate_id": "l1", "version": int64(2), "recorded_at": fullEvent().RecordedAt,
			"command_id": "c", "correlation_id": "k", "causation_id": nil, "tenant": "t", "actor": "a", "data": map[string]any{"test.lamp." + branch: data}})
		if err != nil {
			t.Fatal(err)
		}
		return append(prefix[:5:5], body...)
	}
	e, err := w.lamp.DecodeEvent(context.Background(), encode("SwitchedOff", map[string]any{"reason": "r"}))
	if err != nil || e.Data != (switchedOff{Reason: "r"}) || e.Actor != "a" {
		t.Errorf("got %+v, %v", e, err)
	}
	_, err = w.lamp.DecodeEvent(context.Background(), encode("LampSold", map[string]any{"price": int64(1)}))
	if !isUndecodable(err) || !errors.Is(err, ErrNewerSchema) || !strings.Contains(err.Error(), "LampSold") {
		t.Errorf("got %v", err)
	}
	// What happened is not understood, but to which aggregate and when is.
	e, err = w.lamp.DecodeEventEnvelope(context.Background(), encode("LampSold", map[string]any{"price": int64(1)}))
	if err != nil || e.Type != "LampSold" || e.AggregateID != "l1" || e.Version != 2 || e.EventID != "e" || e.CommandID != "c" || e.CorrelationID != "k" ||
		!e.RecordedAt.Equal(fullEvent().RecordedAt) || e.Data != nil {
		t.Errorf("the envelope is %+v, %v", e, err)
	}
	for _, wrong := range [][]byte{nil, []byte("no avro"), encode("LampSold", map[string]any{"price": int64(1)})[:20]} {
		if e, err := w.lamp.DecodeEventEnvelope(context.Background(), wrong); !isUndecodable(err) {
			t.Errorf("the envelope of %q is %+v, %v", wrong, e, err)
		}
	}
}

// A foreign producer's Avro command: another schema, other order, one field more, and data that
// does not fit here.
func TestForeignAvroCommands(t *testing.T) {
	w := newWorld(t)
	const foreign = `{"type":"record","name":"LampCommand","namespace":"their.own","fields":[{"name":"data","type":[
		{"type":"record","name":"SwitchOff","fields":[{"name":"reason","type":["null","string"]},{"name":"by","type":"string"}]},
		{"type":"record","name":"Explode","fields":[]}]}, {"name":"type","type":"string"},{"name":"command_id","type":"string"}]}`
	prefix := w.register(t, foreign)
	schema, err := hamba.ParseWithCache(foreign, "", &hamba.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	record := func(typ, branch string, data map[string]any) Record {
		body, err := hamba.Marshal(schema, map[string]any{"type": typ, "command_id": "c1", "data": map[string]any{"their.own." + branch: data}})
		if err != nil {
			t.Fatal(err)
		}
		return commandRecord("l1", append(prefix[:5:5], body...))
	}
	cmd := w.decode(t, record("switch-off", "SwitchOff", map[string]any{"reason": map[string]any{"string": "r"}, "by": "me"}))
	if cmd.Problem != nil || cmd.Data != (switchOff{Reason: "r"}) || cmd.CommandID != "c1" {
		t.Errorf("got %+v", cmd)
	}
	same := w.decode(t, commandRecord("l1", w.encode(t, foldlog.Command[any]{Data: switchOff{Reason: "r"}})))
	if !bytes.Equal(cmd.PayloadHash, same.PayloadHash) {
		t.Error("the same data written with another schema has another hash")
	}
	for _, c := range []struct {
		record Record
		field  string
	}{
		{record("switch-off", "SwitchOff", map[string]any{"reason": nil, "by": "me"}), "reason"},
		{record("switch-off", "Explode", map[string]any{}), "data"},
		{record("explode", "Explode", map[string]any{}), "type"},
		{record("set-up", "SwitchOff", map[string]any{"reason": map[string]any{"string": "r"}, "by": "me"}), "data"},
	} {
		cmd := w.decode(t, c.record)
		if cmd.Problem == nil || cmd.Problem.Code != foldlog.CodeInvalidField || cmd.Problem.Field != c.field || cmd.CommandID != "c1" {
			t.Errorf("got %+v, want a problem with %s", cmd.Problem, c.field)
		}
	}
}
