package lint

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Check returns the findings about the tree at root.
func Check(root string) ([]string, error) {
	var findings []string
	report := func(format string, args ...any) { findings = append(findings, fmt.Sprintf(format, args...)) }
	imports := newImportCheck()
	documented := map[string]bool{} // by folder of a package
	err := walk(root, func(file, source string) {
		if strings.HasSuffix(file, ".md") {
			findings = append(findings, checkMarkdown(file, source)...)
			return
		}
		if lines := strings.Count(source, "\n"); lines > longestFile {
			report("%s has %d lines; split it by ideas (at most %d)", file, lines, longestFile)
		}
		positions := token.NewFileSet()
		parsed, err := parser.ParseFile(positions, file, source, parser.ParseComments)
		if err != nil {
			report("%s does not parse: %v", file, err)
			return
		}
		findings = append(findings, checkComments(file, source, parsed, positions)...)
		if strings.HasSuffix(file, "_test.go") || inOtherModule(root, file) {
			return
		}
		imports.file(file, parsed)
		isDoc := path.Base(file) == "doc.go"
		documented[path.Dir(file)] = documented[path.Dir(file)] || isDoc
		if isDoc && !numbered.MatchString(source) {
			report("%s has no numbered invariants", file)
		}
		if isDoc {
			findings = append(findings, checkRepeats(file, source)...)
		}
		if isDoc && importers.MatchString(source) {
			report("%s lists importers or imports; the table of rooms has them", file)
		}
	})
	if err != nil {
		return nil, err
	}
	for folder, has := range documented {
		if !has && !strings.HasPrefix(folder, "cmd/") && !strings.HasPrefix(folder, "proof/cmd/") {
			report("%s has no doc.go: say what the package is for, and its invariants", folder)
		}
	}
	imports.table(rooms)
	findings = append(findings, imports.findings...)
	slices.Sort(findings)
	return findings, nil
}

var numbered = regexp.MustCompile(`(?m)^//\s+1\. `)

// walk calls visit for the Go and Markdown files below root, by their paths from there.
func walk(root string, visit func(file, source string)) error {
	return filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		if entry.IsDir() {
			if relative != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || entry.Name() == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(relative, ".go") && !strings.HasSuffix(relative, ".md") {
			return nil
		}
		source, err := os.ReadFile(file)
		if err == nil {
			visit(relative, string(source))
		}
		return err
	})
}

// inOtherModule reports whether a file is in a module of its own, such as an example, whose imports
// are free.
func inOtherModule(root, file string) bool {
	for folder := path.Dir(file); folder != "."; folder = path.Dir(folder) {
		if _, err := os.Stat(filepath.Join(root, folder, "go.mod")); err == nil {
			return true
		}
	}
	return false
}
