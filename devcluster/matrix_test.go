package devcluster

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/foldlog/foldlog/internal/avro"
)

// The registry's verdicts are those of the Avro specification, and the same as the schema files are
// checked with, but for what those refuse beyond it.
func TestVerdictsAreThoseOfTheSchemaFiles(t *testing.T) {
	text, err := os.ReadFile("../schemas/testdata/evolution.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Change             string
		Writer, Reader     json.RawMessage
		Readable, Stricter bool
	}
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) < 40 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	for _, c := range cases {
		writer, err1 := avro.ParseAny(string(c.Writer))
		reader, err2 := avro.ParseAny(string(c.Reader))
		if err1 != nil || err2 != nil {
			t.Fatal(c.Change, err1, err2)
		}
		verdict := avro.Readable(writer, reader)
		if (verdict == nil) != c.Readable {
			t.Errorf("%s: readable is %t (%v), want %t", c.Change, verdict == nil, verdict, c.Readable)
		}
		ours1, err1 := avro.Parse(string(c.Writer))
		ours2, err2 := avro.Parse(string(c.Reader))
		if err1 != nil || err2 != nil {
			t.Fatal(c.Change, err1, err2)
		}
		if files := avro.Compatible(ours1, ours2); (files == nil) != (verdict == nil) && !c.Stricter {
			t.Errorf("%s: the registry says %v, the check of files %v", c.Change, verdict, files)
		}
	}
}
