package avro

import (
	"encoding/binary"
	"reflect"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"
)

// The library's own guard stands behind ours.
func TestLibraryIsBounded(t *testing.T) {
	api := newAPI(1 << 10)
	schema := avro.MustParse(`{"type":"array","items":"long"}`)
	var list []int64
	if err := api.Unmarshal(schema, binary.AppendVarint(nil, 1<<40), &list); err == nil {
		t.Error("an array of 2^40 items was accepted")
	}
	var text string
	if err := api.Unmarshal(avro.MustParse(`"string"`), binary.AppendVarint(nil, 1<<20), &text); err == nil {
		t.Error("a string of 2^20 bytes was accepted")
	}
}

func TestLibraryPanicsAreErrors(t *testing.T) {
	type row struct {
		Label string `json:"label"`
	}
	s, err := Parse(`{"type":"record","name":"Row","fields":[{"name":"label","type":"string"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Bind(s.Type, reflect.TypeFor[row](), 1<<10)
	if err != nil {
		t.Fatal(err)
	}
	b.readers.New = func() any { return (*avro.Reader)(nil) }
	if _, err := b.Decode([]byte{0}); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("got %v", err)
	}
	b.writers.New = func() any { return (*avro.Writer)(nil) }
	if _, err := b.Append(nil, row{}); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("got %v", err)
	}
}
