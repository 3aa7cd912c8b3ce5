package lint

import (
	"fmt"
	"go/ast"
	"path"
	"strconv"
	"strings"
)

const module = "github.com/foldlog/foldlog"

// importCheck compares the imports of a tree with the table of rooms.
type importCheck struct {
	findings []string
	// used has the permissions that somebody uses, by room and imported room or library, and known
	// the rooms that have a package.
	used  map[[2]string]bool
	known map[string]bool
}

func newImportCheck() *importCheck {
	return &importCheck{used: map[[2]string]bool{}, known: map[string]bool{}}
}

func (c *importCheck) report(format string, args ...any) {
	c.findings = append(c.findings, fmt.Sprintf(format, args...))
}

// file looks at the imports of a file of the product.
func (c *importCheck) file(file string, parsed *ast.File) {
	folder := path.Dir(file)
	from, known := roomOf(folder)
	if !known {
		c.report("%s is in no room; add %q to the table of rooms with what it may import", file, folder)
		return
	}
	c.known[from.folder] = true
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		switch {
		case imported == module || strings.HasPrefix(imported, module+"/"):
			c.ours(file, from, imported)
		case strings.Contains(strings.Split(imported, "/")[0], "."):
			c.theirs(file, from, imported)
		}
	}
}

func (c *importCheck) ours(file string, from room, imported string) {
	folder := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
	if folder == "" {
		folder = "."
	}
	target, _ := roomOf(folder)
	if target.folder == from.folder {
		return
	}
	c.used[[2]string{from.folder, target.folder}] = true
	if !from.mayImport(target.folder) {
		c.report("%s imports %s, which room %q must not see", file, imported, from.folder)
	}
}

func (c *importCheck) theirs(file string, from room, imported string) {
	allowed := from.libraries == "*"
	for prefix := range strings.FieldsSeq(from.libraries) {
		if strings.HasPrefix(imported, prefix) {
			allowed, c.used[[2]string{from.folder, prefix}] = true, true
		}
	}
	if !allowed {
		c.report("%s imports %s, but room %q has only [%s]", file, imported, from.folder, from.libraries)
	}
	for _, owner := range owners {
		if !strings.HasPrefix(imported, owner.library) {
			continue
		}
		c.used[[2]string{from.folder, owner.library}] = true
		if !contains(owner.rooms, from.folder) {
			c.report("%s imports %s, which belongs to [%s]", file, imported, owner.rooms)
		}
	}
}

// table checks the table itself: its order, and entries that nobody uses.
func (c *importCheck) table(rooms []room) {
	above := map[string]bool{}
	for _, r := range rooms {
		above[r.folder] = true
		if !c.known[r.folder] {
			c.report("room %q has no package; delete it from the table of rooms", r.folder)
			continue
		}
		for imported := range strings.FieldsSeq(r.imports) {
			if imported == r.folder || !above[imported] {
				c.report("room %q may import %q, which is not above it in the table of rooms", r.folder, imported)
			}
			if isProof(imported) && !isProof(r.folder) {
				c.report("room %q may import %q; nothing outside proof imports proof", r.folder, imported)
			}
			c.unused(r.folder, imported)
		}
		for library := range strings.FieldsSeq(r.libraries) {
			if library != "*" {
				c.unused(r.folder, library)
			}
		}
	}
	for _, owner := range owners {
		for folder := range strings.FieldsSeq(owner.rooms) {
			c.unused(folder, owner.library)
		}
	}
}

func (c *importCheck) unused(folder, imported string) {
	if !c.used[[2]string{folder, imported}] {
		c.report("room %q may import %s, and does not; take the permission away", folder, imported)
	}
}

func isProof(folder string) bool { return strings.HasPrefix(folder, "proof/") }
