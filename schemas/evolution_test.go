package schemas

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	twmb "github.com/twmb/avro"

	"github.com/foldlog/foldlog/internal/avro"
)

// change is a pair of schemas with what the Avro specification's resolution rules make of it. The
// embedded registry's tests and a Java program read the same file.
type change struct {
	Change string          `json:"change"`
	Writer json.RawMessage `json:"writer"`
	Reader json.RawMessage `json:"reader"`
	// Readable is the verdict that follows from the specification, for Reason.
	Readable bool   `json:"readable"`
	Reason   string `json:"reason"`
	// Stricter is set if we refuse what the specification allows; Rule then is the finding that
	// says so, and otherwise one that is due besides.
	Stricter bool   `json:"stricter"`
	Rule     string `json:"rule"`
	// Library is "accepts" if the library beneath has another verdict.
	Library string `json:"library"`
	// Java is the verdict of Java's implementation if it has another one, for JavaReason.
	Java       string `json:"java"`
	JavaReason string `json:"javaReason"`
}

func evolutionCases(t *testing.T) []change {
	t.Helper()
	text, err := os.ReadFile("testdata/evolution.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []change
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestVerdictsFollowTheSpecification(t *testing.T) {
	cases := evolutionCases(t)
	verdicts := map[bool]int{}
	for _, c := range cases {
		t.Run(c.Change, func(t *testing.T) {
			writer, err := avro.Parse(string(c.Writer))
			if err != nil {
				t.Fatal(err)
			}
			reader, err := avro.Parse(string(c.Reader))
			if err != nil {
				t.Fatal(err)
			}
			verdicts[c.Readable]++
			err = avro.Compatible(writer, reader)
			if want := c.Readable && !c.Stricter; (err == nil) != want {
				t.Errorf("readable is %t (%v), want %t: %s", err == nil, err, want, c.Reason)
			}
			byLibrary := twmb.CheckCompatibility(twmb.MustParse(writer.Text), twmb.MustParse(reader.Text)) == nil
			if want := c.Readable || c.Library == "accepts"; byLibrary != want {
				t.Errorf("the library's verdict is %t, want %t: does it still need our help here?", byLibrary, want)
			}
			findings := Changes(writer, reader)
			has := func(rule string) bool {
				return slices.ContainsFunc(findings, func(f Finding) bool { return f.Rule == rule })
			}
			if has("incompatible") != (err != nil) {
				t.Errorf("the findings and the verdict differ: %v", findings)
			}
			if c.Rule != "" && !has(c.Rule) {
				t.Errorf("no finding is of rule %s: %v", c.Rule, findings)
			}
		})
	}
	if len(cases) < 40 || verdicts[true] < 15 || verdicts[false] < 15 {
		t.Errorf("%d cases, %v: the matrix shrank", len(cases), verdicts)
	}
}

// Changes that are as they should be have no finding at all.
func TestHarmlessChangesHaveNoFinding(t *testing.T) {
	parse := func(text string) avro.Schema {
		s, err := avro.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	older := parse(`{"type":"record","name":"R","fields":[{"name":"a","type":"long","doc":"x"}]}`)
	newer := parse(`{"type":"record","name":"R","fields":[{"name":"a","type":"long","doc":"y"},{"name":"b","type":"string","default":"unknown"}]}`)
	if findings := Changes(older, newer); findings != nil {
		t.Errorf("a new field with a default: %v", findings)
	}
}

func TestFindingsOfChanges(t *testing.T) {
	record := func(fields string) string {
		return `{"type":"record","name":"R","fields":[` + fields + `]}`
	}
	for _, c := range []struct {
		older, newer string
		level        Level
		rule         string
	}{
		{record(`{"name":"a","type":"long"}`), record(`{"name":"a","type":"long"}`), Doubtful, "same"},
		{record(`{"name":"a","type":"long"}`), record(`{"name":"a","type":"long","default":1}`), Doubtful, "no-new-form"},
		{record(`{"name":"a","type":"long","default":1}`), record(`{"name":"a","type":"long"},{"name":"b","type":"int","default":0}`), Doubtful, "default-changed"},
		{record(`{"name":"a","type":"long"},{"name":"b","type":"int"}`), record(`{"name":"b","type":"int"},{"name":"a","type":"long"}`), Note, "reordered"},
		{record(`{"name":"a","type":"long"},{"name":"b","type":"int"}`), record(`{"name":"a","type":"long"}`), Note, "dropped"},
		{record(`{"name":"a","type":"long"},{"name":"b","type":"int"}`), record(`{"name":"a","type":"long"}`), Doubtful, "readers-first"},
		{record(`{"name":"a","type":["null",{"type":"record","name":"A","fields":[]}]}`),
			record(`{"name":"a","type":["null",{"type":"record","name":"A","fields":[]},{"type":"record","name":"B","fields":[]}]}`), Doubtful, "readers-first"},
		{record(`{"name":"a","type":"long"}`), record(`{"name":"b","type":"long","aliases":["a"]}`), Doubtful, "renamed"},
		{record(`{"name":"a","type":{"type":"enum","name":"E","symbols":["x","y"],"default":"x"}}`),
			record(`{"name":"a","type":{"type":"enum","name":"E","symbols":["x","y"],"default":"y"}}`), Doubtful, "default-changed"},
		{record(`{"name":"a","type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":1}}`), record(`{"name":"a","type":"bytes"}`), Refused, "logical-type"},
	} {
		older, err := avro.Parse(c.older)
		if err != nil {
			t.Fatal(err)
		}
		newer, err := avro.Parse(c.newer)
		if err != nil {
			t.Fatal(err)
		}
		findings := Changes(older, newer)
		if !slices.ContainsFunc(findings, func(f Finding) bool { return f.Level == c.level && f.Rule == c.rule }) {
			t.Errorf("%s\n-> %s: no finding is %s [%s]: %v", c.older, c.newer, c.level, c.rule, findings)
		}
	}
}
