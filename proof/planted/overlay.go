package planted

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// CrashPoints are the replacements that make a program crash where FOLDLOG_FAILPOINT says.
func CrashPoints() []Replacement {
	return []Replacement{
		{engine + "/runner.go", `import (`, `import (
			"github.com/foldlog/foldlog/proof/planted/crash"`},
		{engine + "/runner.go", `e.point = func(string) {}`, `e.point = crash.Point()`},
	}
}

// Named returns the bug of that name.
func Named(name string) (Bug, error) {
	var names []string
	for _, bug := range Bugs() {
		if bug.Name == name {
			return bug, nil
		}
		names = append(names, bug.Name)
	}
	return Bug{}, fmt.Errorf("no planted bug is named %q; there are %s", name, strings.Join(names, ", "))
}

// Overlay writes the changed files and a description of them to dir, and returns the argument of
// `go build -overlay`. root is the folder of the product's module. Each text must occur exactly
// once in its file, as the replacements before it leave the file.
func Overlay(root, dir string, replacements []Replacement) (string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	texts := map[string]string{} // by file, as changed so far
	for _, r := range replacements {
		text, changed := texts[r.File]
		if !changed {
			source, err := os.ReadFile(filepath.Join(root, r.File))
			if err != nil {
				return "", fmt.Errorf("plant in %s: %w", r.File, err)
			}
			text = string(source)
		}
		if n := strings.Count(text, r.Old); n != 1 {
			return "", fmt.Errorf("plant in %s: this text occurs %d times, want once; correct it in proof/planted:\n%s", r.File, n, r.Old)
		}
		texts[r.File] = strings.Replace(text, r.Old, r.New, 1)
	}
	description := struct{ Replace map[string]string }{map[string]string{}}
	for file, text := range texts {
		changed := filepath.Join(dir, strconv.Itoa(len(description.Replace))+"-"+filepath.Base(file))
		if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
			return "", err
		}
		description.Replace[filepath.Join(root, file)] = changed
	}
	data, err := json.MarshalIndent(description, "", "\t")
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, data, 0o600)
}
