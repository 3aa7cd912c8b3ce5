package lint

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var writePages = flag.Bool("write", false, "write the map of rooms to docs/ARCHITECTURE.md")

const (
	root         = "../.."
	architecture = root + "/docs/ARCHITECTURE.md"
	concepts     = root + "/docs/concepts.md"
)

func TestTheMapIsMadeFromTheRooms(t *testing.T) {
	const begin, end = "<!-- map -->\n", "<!-- end of map -->"
	page := readPage(t, architecture)
	before, rest, found := strings.Cut(page, begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no %q ... %q", architecture, begin, end)
	}
	want := before + begin + "```mermaid\n" + mermaid() + "```\n" + end + after
	if page == want {
		return
	}
	if !*writePages {
		t.Fatalf("%s has another map than the table of rooms; run 'go test ./internal/lint -write'", architecture)
	}
	if err := os.WriteFile(architecture, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// mermaid draws the product's rooms, the top floor first. It leaves out imports of the vocabulary
// and the means, and those that follow from others.
func mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	id := func(folder string) string { return "r_" + strings.NewReplacer("/", "_", ".", "root").Replace(folder) }
	drawn := product()[2:]
	for i, f := range slices.Backward(product()) {
		fmt.Fprintf(&b, "    subgraph f%d [\"%s\"]\n", i, f.name)
		for _, r := range f.rooms {
			name := r.folder
			if name == "." {
				name = "foldlog, the root"
			}
			fmt.Fprintf(&b, "        %s[\"%s\"]\n", id(r.folder), name)
		}
		b.WriteString("    end\n")
	}
	for _, f := range slices.Backward(drawn) {
		for _, r := range f.rooms {
			for imported := range strings.FieldsSeq(r.imports) {
				isDrawn := slices.ContainsFunc(drawn, func(f floor) bool {
					return slices.ContainsFunc(f.rooms, func(r room) bool { return r.folder == imported })
				})
				if isDrawn && !throughAnother(r, imported) {
					fmt.Fprintf(&b, "    %s --> %s\n", id(r.folder), id(imported))
				}
			}
		}
	}
	b.WriteString("    f2 ~~~ f1 ~~~ f0\n") // the two lowest floors, without arrows
	return b.String()
}

// throughAnother reports whether a room reaches an import of its own through another import, too.
func throughAnother(r room, imported string) bool {
	for other := range strings.FieldsSeq(r.imports) {
		if via, _ := roomOf(other); other != imported && reaches(via, imported) {
			return true
		}
	}
	return false
}

func reaches(from room, folder string) bool {
	for imported := range strings.FieldsSeq(from.imports) {
		if via, _ := roomOf(imported); imported == folder || reaches(via, folder) {
			return true
		}
	}
	return false
}

// product is all floors but that of the judges.
func product() []floor { return house[:len(house)-1] }

var inBackticks = regexp.MustCompile("`([^`]+)`")

// Each room of the product is in the table of folders: in the first column, or by its last element
// in the row of the folder above it.
func TestConceptsNamesEveryRoom(t *testing.T) {
	_, section, found := strings.Cut(readPage(t, concepts), "## Where things are\n")
	if !found {
		t.Fatal("concepts.md has no section \"Where things are\"")
	}
	rows := map[string]string{} // what the row says, by folder
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, match := range inBackticks.FindAllStringSubmatch(cells[1], -1) {
			folder := strings.TrimSuffix(match[1], "/")
			if folder == "*.go" {
				folder = "."
			}
			rows[folder] = cells[2]
			if info, err := os.Stat(filepath.Join(root, folder)); err != nil || !info.IsDir() {
				t.Errorf("concepts.md has a folder %s, which is not in the tree", folder)
			}
		}
	}
	for _, f := range product() {
		for _, r := range f.rooms {
			if _, named := rows[r.folder]; named {
				continue
			}
			parent, name := filepath.Split(r.folder)
			if !strings.Contains(rows[filepath.Clean(parent)], "`"+name+"/`") {
				t.Errorf("concepts.md does not say what %s/ holds", r.folder)
			}
		}
	}
}

// Folders and files that the page names are in the tree.
func TestArchitectureNamesWhatThereIs(t *testing.T) {
	for _, match := range inBackticks.FindAllStringSubmatch(readPage(t, architecture), -1) {
		name := match[1]
		isPath := strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "/")
		if _, err := os.Stat(filepath.Join(root, name)); isPath && err != nil {
			t.Errorf("ARCHITECTURE.md names %s, which is not in the tree", name)
		}
	}
}

func readPage(t *testing.T, file string) string {
	t.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}
