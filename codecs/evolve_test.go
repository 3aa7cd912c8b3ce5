package codecs

import (
	"bytes"
	"context"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/schemas"
)

func readText(tb testing.TB, name string) string {
	tb.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// convert reads a value of the writer's type as the reader's and returns its canonical bytes.
func convert(tb testing.TB, writer, reader string, value []byte) ([]byte, error) {
	tb.Helper()
	w, err := schemas.Parse(writer)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := schemas.Parse(reader)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := compile(w.Type, r.Type)
	if err != nil {
		return nil, err
	}
	c := newConverter(value)
	defer c.release()
	c.run(p)
	if err := c.finish(); err != nil {
		return nil, err
	}
	if c.fault != nil {
		return nil, c.fault
	}
	return bytes.Clone(c.dst), nil
}

func TestResolution(t *testing.T) {
	record := func(name string, fields ...string) string {
		return `{"type":"record","name":"` + name + `","fields":[` + strings.Join(fields, ",") + `]}`
	}
	const a, b = `{"name":"a","type":"long"}`, `{"name":"b","type":"string"}`
	enum := func(symbols, more string) string {
		return `{"type":"enum","name":"E","symbols":[` + symbols + `]` + more + `}`
	}
	for _, c := range []struct {
		name, writer, reader string
		value                any
		want                 any
		wantErr              string
	}{
		{"same", `"long"`, `"long"`, int64(7), int64(7), ""},
		{"int to long", `"int"`, `"long"`, 7, int64(7), ""},
		{"int to double", `"int"`, `"double"`, 7, 7.0, ""},
		{"long to float", `"long"`, `"float"`, int64(7), float32(7), ""},
		{"float to double", `"float"`, `"double"`, float32(1.5), 1.5, ""},
		{"string to bytes", `"string"`, `"bytes"`, "ab", []byte("ab"), ""},
		{"bytes to string", `"bytes"`, `"string"`, []byte("ab"), "ab", ""},
		{"bytes that are no text", `"bytes"`, `"string"`, []byte{0xff}, nil, "UTF-8"},
		{"long to int", `"long"`, `"int"`, int64(7), nil, "cannot be read as int"},
		{"string to long", `"string"`, `"long"`, "x", nil, "cannot be read as long"},
		{"T to nullable", `"string"`, `["null","string"]`, "x", map[string]any{"string": "x"}, ""},
		{"T to nullable, promoted", `"int"`, `["null","long"]`, 5, map[string]any{"long": int64(5)}, ""},
		{"nullable to T", `["null","string"]`, `"string"`, map[string]any{"string": "x"}, "x", ""},
		{"null to T", `["null","string"]`, `"string"`, map[string]any(nil), nil, "holds null"},
		{"union turned round", `["null","string"]`, `["string","null"]`, map[string]any{"string": "x"}, map[string]any{"string": "x"}, ""},
		{"branch unknown here, other value", `["null","string","long"]`, `["null","string"]`, map[string]any{"string": "x"}, map[string]any{"string": "x"}, ""},
		{"branch unknown here", `["null","string","long"]`, `["null","string"]`, map[string]any{"long": int64(3)}, nil, "unknown here"},
		{"enum reordered", enum(`"x","y"`, ""), enum(`"y","x"`, ""), "x", "x", ""},
		{"enum symbol gone", enum(`"x","y"`, ""), enum(`"y"`, ""), "x", nil, "symbol x"},
		{"enum default", enum(`"x","y"`, ""), enum(`"y"`, `,"default":"y"`), "x", "y", ""},
		{"enum of another name", enum(`"x"`, ""), strings.Replace(enum(`"x"`, ""), "E", "F", 1), "x", nil, "is not enum F"},
		{"array items", `{"type":"array","items":"int"}`, `{"type":"array","items":"long"}`, []any{1, 2}, []any{int64(1), int64(2)}, ""},
		{"map values", `{"type":"map","values":"int"}`, `{"type":"map","values":"long"}`, map[string]any{"k": 1}, map[string]any{"k": int64(1)}, ""},
		{"field added", record("R", a), record("R", a, `{"name":"n","type":["null","string"],"default":null}`, `{"name":"m","type":"string","default":"d"}`),
			map[string]any{"a": int64(1)}, map[string]any{"a": int64(1), "n": nil, "m": "d"}, ""},
		{"field added first", record("R", a), record("R", `{"name":"m","type":"int","default":-3}`, a), map[string]any{"a": int64(1)},
			map[string]any{"a": int64(1), "m": -3}, ""},
		{"field added without default", record("R", a), record("R", a, b), map[string]any{"a": int64(1)}, nil, "field R.b"},
		{"field removed", record("R", a, b), record("R", a), map[string]any{"a": int64(1), "b": "x"}, map[string]any{"a": int64(1)}, ""},
		{"field removed before", record("R", b, a), record("R", a), map[string]any{"a": int64(1), "b": "x"}, map[string]any{"a": int64(1)}, ""},
		{"fields reordered", record("R", a, b), record("R", b, a), map[string]any{"a": int64(1), "b": "x"}, map[string]any{"a": int64(1), "b": "x"}, ""},
		{"field renamed", record("R", a), record("R", `{"name":"z","aliases":["a"],"type":"long"}`), map[string]any{"a": int64(1)}, map[string]any{"z": int64(1)}, ""},
		{"record renamed", record("R", a), `{"type":"record","name":"S","aliases":["R"],"fields":[` + a + `]}`, map[string]any{"a": int64(1)}, map[string]any{"a": int64(1)}, ""},
		{"record of another name", record("R", a), record("S", a), map[string]any{"a": int64(1)}, nil, "is not record S"},
		{"other namespace", record("p.R", a), record("q.R", a), map[string]any{"a": int64(1)}, map[string]any{"a": int64(1)}, ""},
		{"timestamps of another unit", `{"type":"long","logicalType":"timestamp-millis"}`, `{"type":"long","logicalType":"timestamp-micros"}`, int64(1), nil, "logical type"},
		{"default record", record("R", a), record("R", a, `{"name":"p","type":`+record("P", `{"name":"x","type":"int"}`, `{"name":"y","type":"string","default":"q"}`)+`,"default":{"x":4}}`),
			map[string]any{"a": int64(1)}, map[string]any{"a": int64(1), "p": map[string]any{"x": 4, "y": "q"}}, ""},
		{"default array and map", record("R", a), record("R", a, `{"name":"p","type":{"type":"array","items":"int"},"default":[1,2]}`,
			`{"name":"q","type":{"type":"map","values":"boolean"},"default":{"k":true}}`), map[string]any{"a": int64(1)},
			map[string]any{"a": int64(1), "p": []any{1, 2}, "q": map[string]any{"k": true}}, ""},
		{"default enum, bytes, double, long", record("R", a), record("R", a, `{"name":"e","type":`+enum(`"x","y"`, "")+`,"default":"y"}`,
			`{"name":"b","type":"bytes","default":"\u00ff"}`, `{"name":"d","type":"double","default":0.5}`, `{"name":"l","type":"long","default":9223372036854775807}`),
			map[string]any{"a": int64(1)}, map[string]any{"a": int64(1), "e": "y", "b": []byte{0xff}, "d": 0.5, "l": int64(9223372036854775807)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			value, err := avro.Marshal(avro.MustParse(strings.ReplaceAll(c.writer, `,"logicalType":"timestamp-millis"`, "")), c.value)
			if err != nil {
				t.Fatal(err)
			}
			got, err := convert(t, c.writer, c.reader, value)
			if c.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), c.wantErr) {
					t.Fatalf("got %x, %v, want %q", got, err, c.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var decoded any
			cache := &avro.SchemaCache{}
			schema, err := avro.ParseWithCache(c.reader, "", cache)
			if err != nil {
				t.Fatal(err)
			}
			if err := avro.Unmarshal(schema, got, &decoded); err != nil {
				t.Fatal(err)
			}
			if union, ok := c.want.(map[string]any); ok && schema.Type() == avro.Union {
				for _, v := range union {
					c.want = v
				}
				if got, ok := decoded.(map[string]any); ok {
					for _, v := range got {
						decoded = v
					}
				}
			}
			if !reflect.DeepEqual(decoded, c.want) {
				t.Errorf("got %#v, want %#v", decoded, c.want)
			}
		})
	}
}

func TestFaultsNameTheirField(t *testing.T) {
	const inner = `{"type":"record","name":"I","fields":[{"name":"s","type":"string"},{"name":"n","type":"long"}]}`
	const outer = `{"type":"record","name":"O","fields":[{"name":"x","type":"long"},{"name":"i","type":` + inner + `},{"name":"t","type":"string"}]}`
	_, err := convert(t, outer, outer, []byte{0, 2, 0xff, 0, 2, 0xff})
	if err == nil || err.Error() != "i.s: is not valid UTF-8" {
		t.Errorf("got %v", err)
	}
	_, err = convert(t, outer, outer, []byte{0, 2})
	if err == nil || !strings.HasPrefix(err.Error(), "i: s: claims") {
		t.Errorf("got %v", err)
	}
	// What a reader does not have does not matter.
	reader := strings.Replace(outer, `{"name":"i","type":`+inner+`},`, "", 1)
	if got, err := convert(t, outer, reader, []byte{0, 2, 0xff, 0, 0}); err != nil || !bytes.Equal(got, []byte{0, 0}) {
		t.Errorf("got %x, %v", got, err)
	}
}

func TestCanonicalBytesDoNotDependOnTheWriter(t *testing.T) {
	const array, mapping = `{"type":"array","items":"long"}`, `{"type":"map","values":"long"}`
	for _, c := range []struct {
		name, schema string
		in, want     []byte
	}{
		{"one block", array, []byte{4, 2, 4, 0}, []byte{4, 2, 4, 0}},
		{"two blocks", array, []byte{2, 2, 2, 4, 0}, []byte{4, 2, 4, 0}},
		{"block with its size", array, []byte{3, 4, 2, 4, 0}, []byte{4, 2, 4, 0}},
		{"empty", array, []byte{0}, []byte{0}},
		{"long form of a number", array, []byte{4, 0x82, 0x80, 0, 4, 0}, []byte{4, 2, 4, 0}},
		{"map out of order", mapping, []byte{4, 2, 'b', 4, 2, 'a', 2, 0}, []byte{4, 2, 'a', 2, 2, 'b', 4, 0}},
		{"map in blocks", mapping, []byte{2, 2, 'b', 4, 2, 2, 'a', 2, 0}, []byte{4, 2, 'a', 2, 2, 'b', 4, 0}},
	} {
		if got, err := convert(t, c.schema, c.schema, c.in); err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.name, got, err, c.want)
		}
	}
	if _, err := convert(t, mapping, mapping, []byte{4, 2, 'a', 4, 2, 'a', 2, 0}); err == nil || !strings.Contains(err.Error(), `key "a" twice`) {
		t.Errorf("the same key twice: %v", err)
	}
}

// During a rolling upgrade old processes read what new ones write.
func TestOldReaderTakesWhatItKnowsOfANewerSchema(t *testing.T) {
	w := newWorld(t)
	newer := strings.Replace(readText(t, "testdata/lamps/lamp.events/v1.avsc"), `{"type": "record", "name": "SwitchedOff"`,
		`{"type": "record", "name": "LampSold", "fields": [{"name": "price", "type": "long"}]}, {"type": "record", "name": "SwitchedOff"`, 1)
	newer = strings.Replace(newer, `{"name": "actor", "type": "string"}`, `{"name": "tenant", "type": "string"}, {"name": "actor", "type": "string"}`, 1)
	prefix := w.register(t, newer)
	encode := func(branch string, data map[string]any) []byte {
		schema, err := avro.ParseWithCache(newer, "", &avro.SchemaCache{})
		if err != nil {
			t.Fatal(err)
		}
		body, err := avro.Marshal(schema, map[string]any{"event_id": "e", "event_type": branch, "aggregate_id": "l1", "version": int64(2), "recorded_at": fullEvent().RecordedAt,
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
	schema, err := avro.ParseWithCache(foreign, "", &avro.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	record := func(typ, branch string, data map[string]any) Record {
		body, err := avro.Marshal(schema, map[string]any{"type": typ, "command_id": "c1", "data": map[string]any{"their.own." + branch: data}})
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
