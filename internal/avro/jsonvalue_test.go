package avro

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

func fromJSON(tb testing.TB, schema, text string) ([]byte, *Fault) {
	tb.Helper()
	s, err := Parse(schema)
	if err != nil {
		tb.Fatal(err)
	}
	value, err := ScanJSON([]byte(text))
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return s.Type.AppendJSON(nil, value)
}

func TestJSONValues(t *testing.T) {
	long := func(n int64) []byte { return binary.AppendVarint(nil, n) }
	str := func(s string) []byte { return append(long(int64(len(s))), s...) }
	const micros, date = `{"type":"long","logicalType":"timestamp-micros"}`, `{"type":"int","logicalType":"date"}`
	const enum = `{"type":"enum","name":"E","symbols":["x","y"]}`
	for _, c := range []struct {
		schema, text string
		want         []byte // nil means refused
	}{
		{`"long"`, `9223372036854775807`, long(math.MaxInt64)}, {`"long"`, `-9223372036854775808`, long(math.MinInt64)},
		{`"long"`, `9223372036854775808`, nil}, {`"long"`, `-9223372036854775809`, nil}, {`"long"`, `-0`, long(0)},
		{`"long"`, `1.0`, nil}, {`"long"`, `1e3`, nil}, {`"long"`, `1E3`, nil}, {`"long"`, `"1"`, nil}, {`"long"`, `true`, nil}, {`"long"`, `null`, nil},
		{`"long"`, `9007199254740993`, long(9007199254740993)}, {`"long"`, ` [1] `, nil},
		{`"int"`, `2147483647`, long(math.MaxInt32)}, {`"int"`, `2147483648`, nil}, {`"int"`, `-2147483648`, long(math.MinInt32)}, {`"int"`, `-2147483649`, nil},
		{`"double"`, `1`, binary.LittleEndian.AppendUint64(nil, math.Float64bits(1))}, {`"double"`, `1.5e3`, binary.LittleEndian.AppendUint64(nil, math.Float64bits(1500))},
		{`"double"`, `1e400`, nil}, {`"double"`, `"1"`, nil}, {`"float"`, `1e39`, nil}, {`"float"`, `0.1`, binary.LittleEndian.AppendUint32(nil, math.Float32bits(0.1))},
		{`"boolean"`, `true`, []byte{1}}, {`"boolean"`, ` false `, []byte{0}}, {`"boolean"`, `1`, nil}, {`"boolean"`, `"true"`, nil},
		{`"string"`, `""`, str("")}, {`"string"`, `"a\"\\\/\b\f\n\r\tz"`, str("a\"\\/\b\f\n\r\tz")}, {`"string"`, `"\u00fc\u0000"`, str("ü\x00")},
		{`"string"`, `"\ud83d\ude00!"`, str("😀!")}, {`"string"`, `"\uD83D"`, nil}, {`"string"`, `"\ude00"`, nil}, {`"string"`, `"\ud83dx"`, nil},
		{`"string"`, `"\ud83d\n"`, nil}, {`"string"`, `"\ud83d\u0041"`, nil}, {`"string"`, `"\ud83d\ud83d\ude00"`, nil}, {`"string"`, `1`, nil}, {`"string"`, `null`, nil},
		{`"string"`, `{}`, nil}, {`"string"`, `"\uFFFD"`, str("\uFFFD")},
		{`"bytes"`, `"AP8="`, []byte{4, 0, 255}}, {`"bytes"`, `""`, []byte{0}}, {`"bytes"`, `"AP8"`, nil}, {`"bytes"`, `"AP9="`, nil}, {`"bytes"`, `"A\nP8="`, nil}, {`"bytes"`, `"_-8="`, nil},
		{enum, `"y"`, []byte{2}}, {enum, `"z"`, nil}, {enum, `1`, nil},
		{`["null","long"]`, `null`, []byte{0}}, {`["null","long"]`, `3`, []byte{2, 6}}, {`["long","null"]`, `3`, []byte{0, 6}}, {`["long","null"]`, `null`, []byte{2}},
		{`["null","long"]`, `{"long":3}`, nil},
		{micros, `"1970-01-01T00:00:00.000001Z"`, long(1)}, {micros, `"1970-01-01T01:00:00+01:00"`, long(0)}, {micros, `"1969-12-31T23:59:59.999999Z"`, long(-1)},
		{micros, `"1970-01-01T00:00:00.0000001Z"`, nil}, {micros, `"1970-01-01T00:00:00.0000010Z"`, long(1)}, {micros, `"1970-01-01"`, nil}, {micros, `0`, nil},
		{micros, `"1970-01-01 00:00:00Z"`, nil}, {micros, `"1970-01-01T00:00:00,5Z"`, nil}, {micros, `"9999-12-31T23:59:59.999999Z"`, long(MaxMicros)},
		{micros, `"0001-01-01T00:00:00Z"`, long(MinMicros)}, {micros, `"0000-12-31T23:59:59Z"`, nil}, {micros, `"0001-01-01T00:00:00+01:00"`, nil},
		{micros, `"9999-12-31T23:59:59-01:00"`, nil}, {micros, `"2026-02-30T00:00:00Z"`, nil},
		{micros, `"1970-01-01T0:00:00Z"`, nil}, {micros, `"1970-01-01T00:00:00+24:00"`, nil}, {micros, `"1970-01-01T00:00:00+00:60"`, nil}, {micros, `"1970-01-01T00:00:00"`, nil},
		{date, `"1970-01-02"`, long(1)}, {date, `"1969-12-31"`, long(-1)}, {date, `"1970-01-02T00:00:00Z"`, long(1)}, {date, `"1970-01-02T01:00:00Z"`, nil},
		{date, `"1970-1-2"`, nil}, {date, `"2026-02-30"`, nil}, {date, `"0000-01-01"`, nil}, {date, `1`, nil},
		{`{"type":"array","items":"long"}`, `[]`, []byte{0}}, {`{"type":"array","items":"long"}`, ` [ 1 , 2 ] `, []byte{4, 2, 4, 0}}, {`{"type":"array","items":"long"}`, `{}`, nil},
		{`{"type":"map","values":"long"}`, `{}`, []byte{0}}, {`{"type":"map","values":"long"}`, `{"b":2,"\u0061":1}`, []byte{4, 2, 'a', 2, 2, 'b', 4, 0}},
		{`{"type":"map","values":"long"}`, `{"a":2,"\u0061":1}`, nil}, {`{"type":"map","values":"long"}`, `{"\ud800":1}`, nil}, {`{"type":"map","values":"long"}`, `[]`, nil},
	} {
		got, f := fromJSON(t, c.schema, c.text)
		switch {
		case c.want == nil && f == nil:
			t.Errorf("%s as %s was accepted: %x", c.text, c.schema, got)
		case c.want != nil && f != nil:
			t.Errorf("%s as %s: %v", c.text, c.schema, f)
		case c.want != nil && !bytes.Equal(got, c.want):
			t.Errorf("%s as %s: %x, want %x", c.text, c.schema, got, c.want)
		}
	}
}

func TestJSONRecords(t *testing.T) {
	const schema = `{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":"string","default":"d"},
		{"name":"c","type":["null",{"type":"record","name":"I","fields":[{"name":"x","type":{"type":"array","items":{"type":"map","values":"int"}}}]}],"default":null}]}`
	for _, c := range []struct{ text, want, path string }{
		{`{"a":1}`, "\x02\x02d\x00", ""},
		{`{"b":"","a":1,"c":null}`, "\x02\x00\x00", ""},
		{`{"\u0061":1,"c":{"x":[]}}`, "\x02\x02d\x02\x00", ""},
		{`{}`, "", "a"}, {`{"a":null}`, "", "a"}, {`{"a":1,"a":1}`, "", "a"}, {`{"a":1,"\u0061":1}`, "", "a"}, {`{"a":1,"A":1}`, "", "A"}, {`{"a":1,"":1}`, "", ""},
		{`{"a":1,"b":null}`, "", "b"}, {`{"a":1,"c":{}}`, "", "c.x"}, {`{"a":1,"c":{"x":[{"k":1},{"k":1.5}]}}`, "", "c.x[1].k"}, {`{"a":1,"c":{"x":[[]]}}`, "", "c.x[0]"},
		{`{"a":1,"c":{"x":[],"y":1}}`, "", "c.y"}, {`[1]`, "", ""}, {`"a"`, "", ""},
	} {
		got, f := fromJSON(t, schema, c.text)
		if c.want != "" && (f != nil || string(got) != c.want) || c.want == "" && (f == nil || f.Path != c.path) {
			t.Errorf("%s: %q, %v, want %q or a fault at %q", c.text, got, f, c.want, c.path)
		}
	}
}

func TestManyFields(t *testing.T) {
	var fields, members []string
	for i := range 40 {
		name := "f" + strings.Repeat("x", i)
		fields = append(fields, `{"name":"`+name+`","type":"int"}`)
		members = append(members, `"`+name+`":1`)
	}
	got, f := fromJSON(t, `{"type":"record","name":"R","fields":[`+strings.Join(fields, ",")+`]}`, `{`+strings.Join(members, ",")+`}`)
	if f != nil || !bytes.Equal(got, bytes.Repeat([]byte{2}, 40)) {
		t.Errorf("got %x, %v", got, f)
	}
}

func TestLongNamesAreClipped(t *testing.T) {
	_, f := fromJSON(t, `{"type":"record","name":"R","fields":[]}`, `{"`+strings.Repeat("ü", 100000)+`":1}`)
	if f == nil || len(f.Error()) > 300 {
		t.Errorf("a message of %d bytes", len(f.Error()))
	}
}
