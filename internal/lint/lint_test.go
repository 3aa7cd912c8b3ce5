package lint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTreeKeepsItsStructure(t *testing.T) {
	findings, err := Check("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range findings {
		t.Error(finding)
	}
}

// A check that has never failed proves nothing: each kind of finding is planted and must be found.
func TestPlantedFindingsAreFound(t *testing.T) {
	const doc = "// Package p is planted.\n//\n//  1. It is small.\npackage p\n"
	cases := []struct{ name, file, source, want string }{
		{"a domain that imports Kafka", "bank/planted.go", doc + `import _ "github.com/twmb/franz-go/pkg/kgo"`, "room \"bank\" has only []"},
		{"a wrong direction", "topology/planted.go", doc + `import _ "github.com/foldlog/foldlog/processors"`, "room \"topology\" must not see"},
		{"the root package importing a room", "planted.go", doc + `import _ "github.com/foldlog/foldlog/topology"`, "room \".\" must not see"},
		{"the engine's seam knowing of codecs", "processors/step/planted.go", doc + `import _ "github.com/foldlog/foldlog/codecs"`, "must not see"},
		{"a library outside its room", "views/planted.go", doc + `import _ "github.com/hamba/avro/v2"`, "which belongs to [internal/avro]"},
		{"a new room", "surprise/planted.go", doc, "is in no room"},
		{"a package without doc.go", "edge/planted.go", "package edge\n", "edge has no doc.go"},
		{"a doc.go without invariants", "edge/doc.go", "// Package edge is vague.\npackage edge\n", "has no numbered invariants"},
		{"a file that grew", "edge/long_test.go", doc + strings.Repeat("//\n", longestFile), "split it by ideas"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			file := filepath.Join(root, c.file)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(c.source), 0o600); err != nil {
				t.Fatal(err)
			}
			findings, err := Check(root)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(findings, func(f string) bool { return strings.Contains(f, c.want) }) {
				t.Errorf("no finding says %q; found %q", c.want, findings)
			}
		})
	}
}
