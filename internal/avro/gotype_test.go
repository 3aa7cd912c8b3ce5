package avro

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

type ownJSON struct{}

func (ownJSON) MarshalJSON() ([]byte, error) { return json.Marshal("x") }

type ownText string

func (*ownText) UnmarshalText([]byte) error { return nil }

func TestEveryDifferenceOfGoAndAvroIsNamed(t *testing.T) {
	type base struct {
		X int64 `json:"x"`
	}
	record := func(fields string) string { return `{"type":"record","name":"R","fields":[` + fields + `]}` }
	field := func(name, typ string) string { return `{"name":"` + name + `","type":` + typ + `}` }
	a := record(field("a", `"long"`))
	for name, c := range map[string]struct {
		value    any
		schema   string
		problems []string // none means that they match
	}{
		"match": {struct {
			A int64 `json:"a"`
		}{}, a, nil},
		"Go has more": {struct {
			A int64 `json:"a"`
			B int64 `json:"b"`
		}{}, a, []string{".B is not in the Avro record R"}},
		"Avro has more": {struct{}{}, a, []string{`Avro field "a" of record R has no Go field`}},
		"both ways": {struct {
			B int64 `json:"b"`
		}{}, a, []string{".B is not in", `field "a"`}},
		"no tag": {struct{ A int64 }{}, a, []string{".A has no name in its json tag", `field "a"`}},
		"hidden by tag": {struct {
			A int64 `json:"-"`
		}{}, a, []string{".A has no name", `field "a"`}},
		"not exported": {struct{ a int64 }{}, a, []string{".a is not exported", `field "a"`}},
		"embedded":     {struct{ base }{}, record(field("x", `"long"`)), []string{"embeds base", `field "x"`}},
		"as string": {struct {
			A int64 `json:"a,string"`
		}{}, a, []string{`option "string"`}},
		"omitempty": {struct {
			A int64 `json:"a,omitempty"`
		}{}, a, nil},
		"int for long": {struct {
			A int `json:"a"`
		}{}, a, []string{"must be int64, not int"}},
		"duration": {struct {
			A time.Duration `json:"a"`
		}{}, a, []string{"must be int64, not time.Duration"}},
		"int64 for int": {struct {
			A int64 `json:"a"`
		}{}, record(field("a", `"int"`)), []string{"must be int32"}},
		"pointer": {struct {
			A *int64 `json:"a"`
		}{}, a, []string{"must be int64, not *int64"}},
		"no pointer": {struct {
			A int64 `json:"a"`
		}{}, record(field("a", `["null","long"]`)), []string{"must be a pointer"}},
		"null last": {struct {
			A *int64 `json:"a"`
		}{}, record(field("a", `["long","null"]`)), []string{"null first"}},
		"nullable": {struct {
			A *int64 `json:"a"`
		}{}, record(field("a", `["null","long"]`)), nil},
		"string": {struct {
			A mode `json:"a"`
		}{}, record(field("a", `"string"`)), nil},
		"own JSON": {struct {
			A ownJSON `json:"a"`
		}{}, record(field("a", `{"type":"record","name":"I","fields":[]}`)), []string{"has its own MarshalJSON"}},
		"own text": {struct {
			A ownText `json:"a"`
		}{}, record(field("a", `"string"`)), []string{"has its own UnmarshalText"}},
		"time for long": {struct {
			A time.Time `json:"a"`
		}{}, a, []string{"must be int64, not time.Time"}},
		"long for time": {struct {
			A int64 `json:"a"`
		}{}, record(field("a", `{"type":"long","logicalType":"timestamp-micros"}`)), []string{"must be time.Time"}},
		"time": {struct {
			A time.Time `json:"a"`
		}{}, record(field("a", `{"type":"int","logicalType":"date"}`)), nil},
		"interface": {struct {
			A any `json:"a"`
		}{}, a, []string{"must be int64, not interface"}},
		"bytes": {struct {
			A []byte `json:"a"`
		}{}, record(field("a", `"bytes"`)), nil},
		"text as bytes": {struct {
			A string `json:"a"`
		}{}, record(field("a", `"bytes"`)), []string{"must be []byte"}},
		"array": {struct {
			A []int64 `json:"a"`
		}{}, record(field("a", `{"type":"array","items":"int"}`)), []string{"a[]: Avro has int, so the Go type must be int32"}},
		"array of bytes": {struct {
			A []byte `json:"a"`
		}{}, record(field("a", `{"type":"array","items":"int"}`)), []string{"must be int32, not uint8"}},
		"map": {struct {
			A map[mode]int64 `json:"a"`
		}{}, record(field("a", `{"type":"map","values":"long"}`)), []string{"string keys"}},
		"nested": {struct {
			A []base `json:"a"`
		}{}, record(field("a", `{"type":"array","items":{"type":"record","name":"I","fields":[`+field("y", `"long"`)+`]}}`)), []string{"a[]: avro.base.X is not in", `field "y"`}},
	} {
		s, err := Parse(c.schema)
		if err != nil {
			t.Fatal(err)
		}
		got := MatchGo("here", reflect.TypeOf(c.value), s.Type)
		if len(got) != len(c.problems) {
			t.Errorf("%s: %q, want %q", name, got, c.problems)
			continue
		}
		for i, want := range c.problems {
			if !strings.Contains(got[i], want) || !strings.HasPrefix(got[i], "here") {
				t.Errorf("%s: %q, want %q", name, got[i], want)
			}
		}
	}
}

type mode string
