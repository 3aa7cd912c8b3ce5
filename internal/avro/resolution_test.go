package avro

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"
)

// convert reads a value of the writer's type as the reader's and returns its canonical bytes.
func convert(tb testing.TB, writer, reader string, value []byte) ([]byte, error) {
	tb.Helper()
	w, err := Parse(writer)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := Parse(reader)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := Compile(w.Type, r.Type)
	if err != nil {
		return nil, err
	}
	return p.Append(nil, value)
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
