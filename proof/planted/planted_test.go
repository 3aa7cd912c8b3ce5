package planted

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// A replacement that no longer fits would plant nothing.
func TestEveryReplacementFitsTheSource(t *testing.T) {
	seen := map[string]bool{}
	for _, bug := range Bugs() {
		if seen[bug.Name] {
			t.Errorf("two bugs have the name %s", bug.Name)
		}
		seen[bug.Name] = true
		if bug.Name == "" || bug.Breaks == "" || len(bug.Plant) == 0 || len(bug.Caught) == 0 {
			t.Errorf("%q: a bug needs a name, what it breaks, a replacement and a test that catches it", bug.Name)
		}
		if _, err := Overlay(root, t.TempDir(), bug.Plant); err != nil {
			t.Errorf("%s: %v", bug.Name, err)
		}
		if _, err := regexp.Compile(bug.Simulated); err != nil {
			t.Errorf("%s: %v", bug.Name, err)
		}
		for _, c := range bug.Caught {
			if _, err := regexp.Compile(c.Says); err != nil || c.Says == "" || c.Test == "" {
				t.Errorf("%s: a catch needs a test and a regular expression (%v)", bug.Name, err)
			}
			if !declares(t, c.Room, testName(c)) {
				t.Errorf("%s: %s has no %s", bug.Name, c.Room, testName(c))
			}
		}
	}
}

// Bugs that touch different texts are compiled together: a compilation for each takes minutes.
func TestEveryReplacementCompiles(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles the engine several times")
	}
	type group struct {
		names        []string
		replacements []Replacement
	}
	var groups []*group
	for _, bug := range Bugs() {
		fits := func(g *group) bool {
			_, err := Overlay(root, t.TempDir(), slices.Concat(g.replacements, bug.Plant))
			return err == nil && !slices.ContainsFunc(bug.Plant, func(r Replacement) bool {
				return slices.ContainsFunc(g.replacements, func(other Replacement) bool { return r.File == other.File && r.Old == other.Old })
			})
		}
		at := slices.IndexFunc(groups, fits)
		if at < 0 {
			at, groups = len(groups), append(groups, &group{replacements: CrashPoints()})
		}
		g := groups[at]
		g.names, g.replacements = append(g.names, bug.Name), append(g.replacements, bug.Plant...)
	}
	for _, g := range groups {
		overlay, err := Overlay(root, t.TempDir(), g.replacements)
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"build", "-overlay", overlay}
		for _, r := range g.replacements {
			args = append(args, "./"+path.Dir(r.File))
		}
		cmd := exec.Command("go", args...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", g.names, err, out)
		}
	}
}

func TestOverlayRefusesWhatDoesNotFit(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("one two two"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, want string }{
		{"two", "occurs 2 times"}, {"three", "occurs 0 times"}, {"one", ""},
	} {
		_, err := Overlay(dir, t.TempDir(), []Replacement{{"a.go", c.old, ""}})
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.old, err)
		}
	}
	if _, err := Named("no-such-bug"); err == nil || !strings.Contains(err.Error(), "no-generation") {
		t.Errorf("an unknown name: %v", err)
	}
}

// The product knows nothing of this package.
func TestProductHoldsNothingPlanted(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./cmd/...", "./client")
	cmd.Dir = root
	deps, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(deps), "/proof/") {
		t.Errorf("the product imports what judges it:\n%s", deps)
	}
}

// declares reports whether the tests of a package have a function of that name.
func declares(t *testing.T, room, test string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, room, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), "\nfunc "+test+"(") {
			return true
		}
	}
	return false
}

// testName returns the name of the catch's test function.
func testName(c Catch) string {
	name, _, _ := strings.Cut(c.Test, "/")
	return strings.Trim(name, "^$")
}
