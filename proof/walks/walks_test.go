package walks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	root = "../.."
	page = root + "/CONTRIBUTING.md"
)

func readPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWalks(t *testing.T) {
	walks, err := walksOf(readPage(t))
	if err != nil || len(walks) != 2 {
		t.Fatalf("%s has %d walks, want two: %v", page, len(walks), err)
	}
	// one folder for all, so that what has not changed is built once
	folder := filepath.Join(t.TempDir(), "tree")
	for _, w := range walks {
		t.Run(w.title, func(t *testing.T) {
			if err := copyTree(root, folder); err != nil {
				t.Fatal(err)
			}
			if err := w.follow(folder); err != nil {
				t.Fatalf("%s, %v", page, err)
			}
			for _, problem := range w.compare(root, folder) {
				t.Error(problem)
			}
			gofmt := exec.Command("gofmt", "-l", "bank")
			gofmt.Dir = folder
			if out, err := gofmt.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("gofmt would change %s %v", out, err)
			}
		})
	}
}

// A page that the tree does not fit is noticed.
func TestWrongWalksAreNoticed(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "tree")
	whole := readPage(t)
	// what is planted goes wrong before the tests of the whole walk begin
	begin, _, _ := strings.Cut(whole, "### 6. Golden files")
	begin += "```sh\ngo test ./bank -run NothingIsMissing\n```\n"
	for name, c := range map[string]struct{ page, old, new, want string }{
		"an anchor that is gone":        {begin, "before `case Freeze:`", "before `case Melt:`", `account.go: 0 lines begin with "case Melt:"`},
		"an anchor that is there twice": {begin, "before `case Frozen:`", "before `case `", `lines begin with "case ", want one`},
		"a file that is gone":           {begin, "`bank/policies.go`, before", "`bank/reactions.go`, before", "no such file"},
		"a snippet without a place":     {begin, "`bank/policies.go`, before", "In `bank/policies.go`, before", "does not say where it goes"},
		"a case that is missing": {begin, "	case account.OverdraftLimited:\n		return nil\n", "",
			"policy transfer-replies does not handle the event OverdraftLimited"},
		"a record that is missing": {begin, `"name": "OverdraftLimited"`, `"name": "Limited"`,
			"data has no record OverdraftLimited for the declared event"},
		"code that does not compile": {begin, "refuseUnlessOpen", "refuseUnlessShut", "a.refuseUnlessShut undefined"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(c.page, c.old, c.new, 1)
			if changed == c.page {
				t.Fatalf("%q is not on the page", c.old)
			}
			walks, err := walksOf(changed)
			if err == nil {
				if err = copyTree(root, folder); err != nil {
					t.Fatal(err)
				}
				err = walks[0].follow(folder)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// A file that changes without being on the page's list is noticed, and one that is listed for
// nothing.
func TestWrongListsOfFilesAreNoticed(t *testing.T) {
	before, after := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"a.go": "1", "folder/b.go": "1", "folder/c.go": "1", "d.go": "1"} {
		for _, at := range []string{before, after} {
			path := filepath.Join(at, name)
			if at == after && name != "d.go" {
				text = "2"
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := strings.Join(walk{files: []string{"folder/", "d.go"}}.compare(before, after), "\n")
	if want := "a.go has changed, and the page does not list it\nthe page lists d.go, which has not changed"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
