package schemas_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
)

// TestEveryVersionIsLocked guards the versions that are published with this tree. Load compares
// them with the lock files.
func TestEveryVersionIsLocked(t *testing.T) {
	set, err := schemas.Load(bankschemas.Files, bank.Topology())
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range set.Topics() {
		for _, v := range set.Versions(topic) {
			if !v.Locked {
				t.Errorf("%s is not in %s: once it is final, run 'go run ./cmd/foldlog schemas lock schemas/bank' (or schemas/foldlog)", v.File, schemas.LockFile)
			}
		}
	}
	if findings := set.Check(false); findings != nil {
		t.Errorf("findings: %v", findings)
	}
}

// copied returns a directory with the bank's schema files.
func copied(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "schemas")
	if err := os.CopyFS(dir, bankschemas.Files); err != nil {
		t.Fatal(err)
	}
	// embedded files are read-only
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func edit(t *testing.T, name string, change func(string) string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(change(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAPublishedVersionCannotBeEdited(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string)
		want   string
	}{
		"documentation": {func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "transfer.events/v1.avsc"), func(s string) string { return strings.Replace(s, `"doc": "`, `"doc": "Well: `, 1) })
		}, "transfer.events/v1.avsc was edited after it was published (documentation, defaults, aliases or white space): restore it from version control, and put the change into transfer.events/v2.avsc"},
		"a field's type": {func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "transfer-table/v1.avsc"), func(s string) string { return strings.Replace(s, `"type": "long"`, `"type": "int"`, 1) })
		}, "transfer-table/v1.avsc was edited after it was published: restore it"},
		"a missing file": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "transfers-table/v1.avsc")); err != nil {
				t.Fatal(err)
			}
		}, "transfers-table/v1.avsc was published and cannot be read"},
		"a damaged lock file": {func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, schemas.LockFile), func(s string) string { return s + "transfer-table/v1.avsc\n" })
		}, "restore the lock file from version control"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copied(t)
			c.change(t, dir)
			_, err := schemas.Load(os.DirFS(dir), bank.Topology())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			before, _ := os.ReadFile(filepath.Join(dir, schemas.LockFile))
			if added, err := schemas.AppendLock(dir); err == nil {
				t.Errorf("it was locked: %v", added)
			}
			if after, _ := os.ReadFile(filepath.Join(dir, schemas.LockFile)); string(after) != string(before) {
				t.Error("the lock file was changed")
			}
		})
	}
}

func TestLockIsAppendedTo(t *testing.T) {
	dir := copied(t)
	if added, err := schemas.AppendLock(dir); err != nil || added != nil {
		t.Fatalf("nothing new: %v, %v", added, err)
	}
	before, err := os.ReadFile(filepath.Join(dir, schemas.LockFile))
	if err != nil {
		t.Fatal(err)
	}
	latest, err := os.ReadFile(filepath.Join(dir, "transfers-table/v1.avsc"))
	if err != nil {
		t.Fatal(err)
	}
	next := strings.Replace(string(latest), `"fields": [`, `"fields": [{"name": "note", "type": "string", "default": "", "doc": "A note."},`, 1)
	if err := os.WriteFile(filepath.Join(dir, "transfers-table/v2.avsc"), []byte(next), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := schemas.Load(os.DirFS(dir), bank.Topology())
	if err != nil {
		t.Fatal(err)
	}
	rules := func(findings []schemas.Finding) (rules []string) {
		for _, f := range findings {
			rules = append(rules, f.Where+" "+f.Rule)
		}
		return rules
	}
	if got := rules(set.Check(false)); !slices.Equal(got, []string{"transfers-table/v2.avsc unlocked"}) {
		t.Errorf("findings: %v", got)
	}
	added, err := schemas.AppendLock(dir)
	if err != nil || !slices.Equal(added, []string{"transfers-table/v2.avsc"}) {
		t.Fatalf("added %v, %v", added, err)
	}
	after, err := os.ReadFile(filepath.Join(dir, schemas.LockFile))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(before)) {
		if !strings.Contains(string(after), line) {
			t.Errorf("the line is gone: %s", line)
		}
	}
	if set, err = schemas.Load(os.DirFS(dir), bank.Topology()); err != nil || set.Check(false) != nil {
		t.Errorf("after locking: %v, %v", set.Check(false), err)
	}
}
