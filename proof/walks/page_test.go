package walks

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// walk is a section of the page: which files it changes, and in which steps.
type walk struct {
	title string
	files []string // a folder ends with "/"
	steps []step
}

// step is a snippet with its place, or commands.
type step struct {
	line     int // of the page
	language string
	text     string
	// file, how and anchor are from the line above a snippet.
	file, how, anchor string
}

var (
	fileItem = regexp.MustCompile("^- (`[^`]+`(, `[^`]+`)*): ")
	quoted   = regexp.MustCompile("`([^`]+)`")
	place    = regexp.MustCompile("^`([^`]+)`, (new|at the end|before|after|instead of)(?: `([^`]+)`)?:$")
)

// walksOf returns the sections of the page that begin with "A walk".
func walksOf(page string) (walks []walk, err error) {
	var lines []string
	if page = strings.TrimSuffix(page, "\n"); page != "" {
		lines = strings.Split(page, "\n")
	}
	above := ""
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if title, section := strings.CutPrefix(line, "## "); section {
			walks = append(walks, walk{title: title})
		}
		if len(walks) == 0 {
			continue
		}
		w := &walks[len(walks)-1]
		if item := fileItem.FindStringSubmatch(line); item != nil {
			for _, name := range quoted.FindAllStringSubmatch(item[1], -1) {
				w.files = append(w.files, name[1])
			}
		}
		language, fence := strings.CutPrefix(line, "```")
		if !fence {
			if line != "" {
				above = line
			}
			continue
		}
		s := step{line: i + 1, language: language}
		for i++; i < len(lines) && lines[i] != "```"; i++ {
			s.text += lines[i] + "\n"
		}
		if language != "" && language != "sh" {
			at := place.FindStringSubmatch(above)
			if at == nil && strings.HasPrefix(w.title, "A walk") {
				err = errors.Join(err, fmt.Errorf("line %d: the line above the snippet does not say where it goes: %s", s.line, above))
				continue
			} else if at != nil {
				s.file, s.how, s.anchor = at[1], at[2], at[3]
			}
		}
		if language != "" {
			w.steps = append(w.steps, s)
		}
	}
	return slices.DeleteFunc(walks, func(w walk) bool { return !strings.HasPrefix(w.title, "A walk") }), err
}

// follow does all steps in a folder.
func (w walk) follow(root string) error {
	for _, s := range w.steps {
		do := s.apply
		if s.language == "sh" {
			do = s.run
		}
		if err := do(root); err != nil {
			return fmt.Errorf("line %d: %w", s.line, err)
		}
	}
	return nil
}

func (s step) run(root string) error {
	for command := range strings.Lines(s.text) {
		c := exec.Command("sh", "-c", command)
		c.Dir = root
		// A make around this test must not steer the one within. The race detector would build
		// everything a second time.
		c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
			return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS=")
		}), "RACE=never")
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.TrimSpace(command), err, out)
		}
	}
	return nil
}

// apply puts the snippet at its place.
func (s step) apply(root string) error {
	name := filepath.Join(root, filepath.FromSlash(s.file))
	if s.how == "new" {
		if _, err := os.Stat(name); err == nil {
			return fmt.Errorf("%s is there already", s.file)
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		return os.WriteFile(name, []byte(s.text), 0o644)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	changed, err := s.insert(strings.SplitAfter(string(text), "\n"))
	if err != nil {
		return fmt.Errorf("%s: %w", s.file, err)
	}
	return os.WriteFile(name, []byte(changed), 0o644)
}

// insert returns the lines of a file with the snippet. Declarations in Go are set apart by an empty
// line.
func (s step) insert(lines []string) (string, error) {
	snippet := s.text
	declares := strings.HasSuffix(s.file, ".go") && !strings.HasPrefix(snippet, "\t") && s.how != "instead of"
	if s.how == "at the end" {
		return strings.Join(lines, "") + "\n" + snippet, nil
	}
	var exact, begin []int
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, s.anchor) {
			begin = append(begin, i)
		}
		if line == s.anchor {
			exact = append(exact, i)
		}
	}
	found := begin
	if len(exact) > 0 {
		found = exact
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d lines begin with %q, want one", len(found), s.anchor)
	}
	at := found[0]
	switch s.how {
	case "instead of":
		lines = slices.Delete(lines, at, at+1)
	case "after":
		at++
		if declares {
			snippet = "\n" + snippet
		}
	case "before":
		if declares {
			snippet += "\n"
		}
	}
	return strings.Join(slices.Insert(lines, at, snippet), ""), nil
}

// compare reports how the files that differ between two trees are not those of the page.
func (w walk) compare(before, after string) (problems []string) {
	used := map[string]bool{}
	for name := range differing(before, after) {
		i := slices.IndexFunc(w.files, func(f string) bool { return f == name || strings.HasSuffix(f, "/") && strings.HasPrefix(name, f) })
		if i < 0 {
			problems = append(problems, name+" has changed, and the page does not list it")
			continue
		}
		used[w.files[i]] = true
	}
	for _, f := range w.files {
		if !used[f] {
			problems = append(problems, "the page lists "+f+", which has not changed")
		}
	}
	slices.Sort(problems)
	return problems
}

// differing yields the files that only one of two trees has, or that differ.
func differing(before, after string) map[string]bool {
	names := map[string]bool{}
	for _, root := range []string{before, after} {
		other := before
		if root == before {
			other = after
		}
		_ = tree(root, func(name string) error {
			a, errA := os.ReadFile(filepath.Join(root, name))
			b, errB := os.ReadFile(filepath.Join(other, name))
			if errA != nil || errB != nil || !bytes.Equal(a, b) {
				names[filepath.ToSlash(name)] = true
			}
			return nil
		})
	}
	return names
}

// tree calls f for each file below root that is part of the tree.
func tree(root string, f func(name string) error) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if hidden := strings.HasPrefix(entry.Name(), ".") && name != "."; hidden || slices.Contains(built, entry.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		return f(name)
	})
}

// built are folders that hold what was built or downloaded.
var built = []string{"bin", "target", "node_modules", "torture-runs", "__pycache__"}

// copyTree makes the folder to a copy of the tree at root.
func copyTree(root, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return tree(root, func(name string) error {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), text, 0o644)
	})
}
