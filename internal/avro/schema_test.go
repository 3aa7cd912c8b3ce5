package avro

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	s, err := Parse(`{"type":"record","name":"a.b.R","aliases":["Old","x.Other"],"fields":[
		{"name":"i","type":{"type":"record","name":"I","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["x","y"],"default":"y"},"default":"x"}]}},
		{"name":"again","type":["null","I"],"default":null,"aliases":["once"]},{"name":"m","type":{"type":"map","values":{"type":"array","items":"a.b.E"}}},
		{"name":"far","type":{"type":"record","name":"F","namespace":"c","fields":[{"name":"back","type":"a.b.I"},{"name":"own","type":{"type":"fixed","name":"X","size":3}}]}},
		{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"u","type":{"type":"string","logicalType":"uuid"}},
		{"name":"odd","type":{"type":"long","logicalType":"no-such"}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	r := s.Type
	if r.Name != "a.b.R" || r.ShortName() != "R" || strings.Join(r.Aliases, " ") != "a.b.Old x.Other" {
		t.Errorf("got %+v", r)
	}
	inner := r.Field("i").Type
	if other, null, ok := r.Field("again").Type.Nullable(); !ok || null != 0 || other != inner {
		t.Error("a reference is not the type itself")
	}
	if e := inner.Field("e"); e.Type.Name != "a.b.E" || e.Default != "x" || !e.Type.HasEnumDefault || e.Type.EnumDefault != "y" {
		t.Errorf("got %+v", e)
	}
	if got := r.Field("m").Type.Values.Items; got != inner.Field("e").Type {
		t.Errorf("got %+v", got)
	}
	if far := r.Field("far").Type; far.Name != "c.F" || far.Field("back").Type != inner || far.Field("own").Type.Name != "c.X" || far.Field("own").Type.Size != 3 {
		t.Errorf("got %+v", far)
	}
	if r.Field("at").Type.Logical != TimestampMicros || r.Field("u").Type.Foreign != "" || r.Field("odd").Type.Foreign != "no-such" || r.Field("none") != nil {
		t.Error("logical types are wrong")
	}
}

func TestParseIsBounded(t *testing.T) {
	nested := func(n int) string {
		return strings.Repeat(`{"type":"array","items":`, n) + `"int"` + strings.Repeat("}", n)
	}
	doubling := func(leaf string) string {
		typ := `{"type":"record","name":"L","fields":[` + leaf + `]}`
		for i := range 16 {
			typ = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":%s,"default":{}},{"name":"b","type":"%s","default":{}}]}`,
				i, typ, map[bool]string{true: "L", false: fmt.Sprintf("R%d", i-1)}[i == 0])
		}
		return typ
	}
	if _, err := Parse(doubling("")); err != nil {
		t.Errorf("defaults without a byte: %v", err)
	}
	if _, err := Parse(nested(MaxDepth)); err != nil {
		t.Errorf("depth %d: %v", MaxDepth, err)
	}
	for name, text := range map[string]string{
		"too deep":            nested(MaxDepth + 1),
		"much too deep":       nested(100_000),
		"brackets only":       strings.Repeat("[", 1_000_000),
		"doubling defaults":   doubling(`{"name":"x","type":"string","default":"thirty-two characters of text ..."}`),
		"too long":            `{"type":"int","doc":"` + strings.Repeat("x", MaxSchemaBytes) + `"}`,
		"recursive":           `{"type":"record","name":"R","fields":[{"name":"r","type":["null","R"]}]}`,
		"recursive in depth":  `{"type":"record","name":"n.R","fields":[{"name":"r","type":{"type":"record","name":"I","fields":[{"name":"x","type":{"type":"map","values":"n.R"}}]}}]}`,
		"unknown type":        `{"type":"record","name":"R","fields":[{"name":"r","type":"I"}]}`,
		"empty":               "",
		"null":                "null",
		"brackets in strings": `{"type":"record","name":"R","fields":[{"name":"r\"[","type":"int"}]}`,
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestFingerprintIsTheCanonicalForms(t *testing.T) {
	plain, err := Parse(`"string"`)
	if err != nil {
		t.Fatal(err)
	}
	// printf '"string"' | sha256sum
	if got := hex.EncodeToString(plain.Fingerprint[:]); got != "e9e5c1c9e4f6277339d1bcde0733a59bd42f8731f449da6dc13010a916930d48" {
		t.Errorf("fingerprint %s", got)
	}
	a, err := Parse(`{"type":"record","name":"n.R","doc":"d","aliases":["Q"],"fields":[{"name":"x","type":{"type":"long","logicalType":"timestamp-micros"},"default":3,"doc":"y"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Parse(`{"fields":[{"type":"long","name":"x"}],"namespace":"n","name":"R","type":"record"}`)
	if err != nil {
		t.Fatal(err)
	}
	if a.Fingerprint != b.Fingerprint || string(a.Canonical()) != `{"name":"n.R","type":"record","fields":[{"name":"x","type":"long"}]}` {
		t.Errorf("canonical forms %s and %s", a.Canonical(), b.Canonical())
	}
}

func TestCompactKeepsEverythingButSpace(t *testing.T) {
	s, err := Parse("{\n  \"type\": \"record\", \"name\": \"R\",\r\n \"doc\": \"a  b <&>\", \"fields\": [{\"name\": \"x\", \"type\": \"long\", \"default\": 9223372036854775807}]\n}")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Compact(); got != `{"type":"record","name":"R","doc":"a  b <&>","fields":[{"name":"x","type":"long","default":9223372036854775807}]}` {
		t.Errorf("got %s", got)
	}
	if plain, err := Parse(`"string"`); err != nil || plain.Compact() != `"string"` {
		t.Errorf("got %s, %v", plain.Compact(), err)
	}
}
