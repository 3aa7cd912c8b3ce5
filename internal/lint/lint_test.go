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
		{"a domain that imports Kafka", "bank/planted.go", doc + `import _ "github.com/twmb/franz-go/pkg/kgo"`, `room "bank" has only []`},
		{"a wrong direction", "topology/planted.go", doc + `import _ "github.com/foldlog/foldlog/processors"`, "room \"topology\" must not see"},
		{"the root package importing a room", "planted.go", doc + `import _ "github.com/foldlog/foldlog/topology"`, "room \".\" must not see"},
		{"the engine's seam knowing of codecs", "processors/step/planted.go", doc + `import _ "github.com/foldlog/foldlog/codecs"`, "must not see"},
		{"a library outside its room", "views/planted.go", doc + `import _ "github.com/hamba/avro/v2"`, "which belongs to [internal/avro]"},
		{"a new room", "surprise/planted.go", doc, "is in no room"},
		{"a package without doc.go", "edge/planted.go", "package edge\n", "edge has no doc.go"},
		{"a doc.go without invariants", "edge/doc.go", "// Package edge is vague.\npackage edge\n", "has no numbered invariants"},
		{"a file that grew", "edge/long_test.go", doc + strings.Repeat("//\n", longestFile), "split it by ideas"},
		{"the product importing its judge", "views/planted.go", doc + `import _ "github.com/foldlog/foldlog/proof/planted"`, `room "views" must not see`},
		{"a permission that nobody uses", "topology/planted.go", doc, `room "topology" may import ., and does not`},
		{"a room without a package", "topology/planted.go", doc, `room "edge" has no package`},
		{"a list of importers", "edge/doc.go", "// Package edge is listed.\n//\n// Importers: cli.\n//\n//  1. It is.\npackage edge\n", "lists importers"},
		{"an invariant lost to its neighbour", "edge/doc.go", "// Package edge repeats.\n//\n//  1. A decoded value was read in full, every byte of it.\n" +
			"//  2. What is decoded was read\n//     in full, every byte of it.\npackage edge\n", "edge/doc.go says the same twice: What is decoded"},
		{"a wide comment", "edge/planted.go", doc + "\t\t// " + strings.Repeat("x ", 45), "edge/planted.go:5 has a comment up to column 101"},
		{"a wide comment behind code", "edge/planted_test.go", doc + "var x = 1 // " + strings.Repeat("x ", 45), "has a comment up to column 103"},
		{"a wide line in a page", "docs/planted.md", "fine\n\n" + strings.Repeat("xé ", 40), "docs/planted.md:3 has 120 columns"},
		{"a word in a comment", "edge/planted.go", doc + "\n// This is for\n// whoever reads it.\n", `edge/planted.go:7 says "whoever"`},
		{"two words over a line end", "docs/planted.md", "a topic of\nwhich nothing is left", `docs/planted.md:1 says "of which"`},
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

// What cannot be wrapped, and what is no prose, may be wide and may have any word.
func TestCodeAndAddressesAreExempt(t *testing.T) {
	wide := strings.Repeat("whoever ", 20)
	for _, page := range []string{
		"```\n" + wide + "\n```\n",
		"    " + wide,
		"say `whoever`",
		"- https://example.com/" + strings.Repeat("x", widest),
		"| " + strings.Repeat("cell ", 40) + "|",
	} {
		if findings := checkMarkdown("page.md", page); findings != nil {
			t.Errorf("%q: %q", page, findings)
		}
	}
}

func TestTheTableOfRoomsIsInOrder(t *testing.T) {
	for _, c := range []struct {
		name  string
		rooms []room
		want  string
	}{
		{"upward", []room{{"low", "high", ""}, {"high", "", ""}}, `room "low" may import "high", which is not above it`},
		{"itself", []room{{"low", "low", ""}}, `room "low" may import "low", which is not above it`},
		{"proof", []room{{"proof/x", "", ""}, {"edge", "proof/x", ""}}, "nothing outside proof imports proof"},
	} {
		t.Run(c.name, func(t *testing.T) {
			check := newImportCheck()
			for _, r := range c.rooms {
				check.known[r.folder] = true
			}
			check.table(c.rooms)
			if !slices.ContainsFunc(check.findings, func(f string) bool { return strings.Contains(f, c.want) }) {
				t.Errorf("no finding says %q; found %q", c.want, check.findings)
			}
		})
	}
}
