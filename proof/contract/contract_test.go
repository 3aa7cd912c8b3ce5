package contract

import (
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	sessionFile  = "testdata/session.txt"
	goldenFile   = "testdata/golden.txt"
	intendedFile = "testdata/intended.txt"
)

// record names the binary whose answers become the golden file. A new comparison begins with the
// build from before the change, and with an empty list of intended differences.
var record = flag.String("record", "", "record the golden file with this `binary`, instead of comparing")

func TestContractIsKept(t *testing.T) {
	if testing.Short() {
		t.Skip("starts whole systems")
	}
	if *record != "" {
		binary, err := filepath.Abs(*record)
		if err != nil {
			t.Fatal(err)
		}
		write(t, goldenFile, play(t, binary, read(t, sessionFile)))
		return
	}
	binary := filepath.Join(t.TempDir(), "foldlog")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "../../cmd/foldlog")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	dependOnSources(t)
	golden, got := read(t, goldenFile), play(t, binary, read(t, sessionFile))
	intended := differencesByStep(read(t, intendedFile))
	for _, entry := range got {
		at := slices.IndexFunc(golden, func(s step) bool { return s.name == entry.name })
		if at < 0 {
			t.Errorf("step %q is not in %s: record it with the build from before the change (-record BINARY)", entry.name, goldenFile)
			continue
		}
		differences, meant := differ(golden[at].lines, entry.lines), intended[entry.name]
		delete(intended, entry.name)
		if !slices.Equal(sorted(differences), sorted(meant)) {
			t.Errorf("== %s\n%s\n", entry.name, strings.Join(differences, "\n"))
		}
	}
	if t.Failed() {
		t.Logf("if a difference is meant, add the block above to %s, with the reason below its name", intendedFile)
	}
	for name := range intended {
		t.Errorf("%s has differences for step %q, which is not in %s", intendedFile, name, sessionFile)
	}
	for _, was := range golden {
		if !slices.ContainsFunc(got, func(s step) bool { return s.name == was.name }) {
			t.Errorf("%s has step %q, which is not in %s", goldenFile, was.name, sessionFile)
		}
	}
}

// dependOnSources looks at every source file, so that go test repeats this test after a change of
// one. It sees what a test opens, not what the build opens that the test starts.
func dependOnSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." {
			return fs.SkipDir
		}
		if err == nil && slices.Contains([]string{".go", ".avsc", ".lock", ".mod"}, filepath.Ext(file)) {
			_, err = os.Stat(file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// step is a block of a file: a line "== name" and the lines below it.
type step struct {
	name  string
	lines []string
}

func read(t *testing.T, file string) (steps []step) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if name, isName := strings.CutPrefix(line, "== "); isName {
			steps = append(steps, step{name: name})
		} else if len(steps) > 0 {
			last := &steps[len(steps)-1]
			last.lines = append(last.lines, line)
		}
	}
	for i := range steps {
		for n := len(steps[i].lines); n > 0 && steps[i].lines[n-1] == ""; n-- {
			steps[i].lines = steps[i].lines[:n-1]
		}
	}
	return steps
}

func write(t *testing.T, file string, steps []step) {
	t.Helper()
	var text strings.Builder
	for _, s := range steps {
		text.WriteString("== " + s.name + "\n" + strings.Join(s.lines, "\n") + "\n\n")
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// differencesByStep reads the list of intended differences. A block is one or more names of steps,
// the reason, and the lines that were (-) and are (+). A step can be in several blocks.
func differencesByStep(blocks []step) map[string][]string {
	byStep := map[string][]string{}
	var names []string
	for _, block := range blocks {
		names = append(names, block.name)
		if len(block.lines) == 0 {
			continue // the next name belongs to the same block
		}
		for _, line := range block.lines {
			if strings.HasPrefix(line, "- ") || strings.HasPrefix(line, "+ ") {
				for _, name := range names {
					byStep[name] = append(byStep[name], line)
				}
			}
		}
		names = nil
	}
	return byStep
}

// differ returns the lines that were (-) and are (+), by the longest common subsequence.
func differ(was, is []string) (differences []string) {
	common := make([][]int, len(was)+1)
	for i := range common {
		common[i] = make([]int, len(is)+1)
	}
	for i := len(was) - 1; i >= 0; i-- {
		for j := len(is) - 1; j >= 0; j-- {
			if was[i] == is[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(was) || j < len(is) {
		switch {
		case i < len(was) && j < len(is) && was[i] == is[j]:
			i, j = i+1, j+1
		case j == len(is) || i < len(was) && common[i+1][j] >= common[i][j+1]:
			differences, i = append(differences, "- "+was[i]), i+1
		default:
			differences, j = append(differences, "+ "+is[j]), j+1
		}
	}
	return differences
}

func sorted(lines []string) []string { return slices.Sorted(slices.Values(lines)) }

func TestDifferencesAreFound(t *testing.T) {
	was := []string{"a", "b", "c", "d"}
	if got := differ(was, was); got != nil {
		t.Errorf("equal texts differ in %q", got)
	}
	want := []string{"- b", "+ B", "- d", "+ e", "+ f"}
	if got := differ(was, []string{"a", "B", "c", "e", "f"}); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnIntendedDifferenceCountsForEachOfItsSteps(t *testing.T) {
	got := differencesByStep([]step{
		{name: "one"},
		{name: "two", lines: []string{"The flag is gone.", "- --flag"}},
		{name: "two", lines: []string{"The other is new.", "+ --other"}},
	})
	if !slices.Equal(got["one"], []string{"- --flag"}) || !slices.Equal(got["two"], []string{"- --flag", "+ --other"}) {
		t.Errorf("got %q", got)
	}
}
