package schemas

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/foldlog/foldlog/internal/avro"
)

// Changes judges a new version of a schema beside the one before: whether it can read the old data,
// and changes that compatibility checkers do not look at. The findings have no Where.
func Changes(older, newer avro.Schema) []Finding {
	c := &changes{seen: map[[2]*avro.Type]bool{}}
	if err := avro.Compatible(older, newer); err != nil {
		c.add(Refused, "incompatible", "", "cannot read what was written before: %v; add a field with a default instead, or a record of another name", err)
	}
	if err := avro.Compatible(newer, older); err != nil {
		c.add(Doubtful, "readers-first", "", "programs that have the version before cannot read what this one writes (%v): upgrade every reader before anything "+
			"is written with it", err)
	}
	if older.Fingerprint == newer.Fingerprint {
		c.sameForm(older, newer)
	}
	c.compare("", older.Type, newer.Type)
	return c.findings
}

type changes struct {
	findings []Finding
	seen     map[[2]*avro.Type]bool
}

func (c *changes) add(level Level, rule, path, format string, args ...any) {
	problem := fmt.Sprintf(format, args...)
	if path != "" {
		problem = path + ": " + problem
	}
	c.findings = append(c.findings, Finding{Level: level, Rule: rule, Problem: problem})
}

// sameForm compares versions whose written data are the same.
func (c *changes) sameForm(older, newer avro.Schema) {
	if older.Compact() == newer.Compact() {
		c.add(Doubtful, "same", "", "is the version before once more: remove it")
		return
	}
	c.add(Doubtful, "no-new-form", "", "writes the same bytes as the version before and differs in documentation, defaults, aliases or logical types only: some "+
		"registries answer with the version before, and the change is never seen; leave it to the next version that adds something")
}

// compare compares an older type with the newer one that reads it. It does not repeat the findings
// of Compatible.
func (c *changes) compare(path string, w, r *avro.Type) {
	if c.seen[[2]*avro.Type{w, r}] {
		return
	}
	c.seen[[2]*avro.Type{w, r}] = true
	switch {
	case w.Kind == avro.Union || r.Kind == avro.Union:
		c.unions(path, w, r)
		return
	case w.Kind != r.Kind:
		c.promoted(path, w, r)
		return
	}
	if w.Logical+w.Foreign != r.Logical+r.Foreign {
		c.add(Refused, "logical-type", path, "the logical type %q became %q: old values would change their meaning; add a field of another name",
			w.Logical+w.Foreign, r.Logical+r.Foreign)
	}
	if w.Name != r.Name && (w.Kind == avro.Record || w.Kind == avro.Enum || w.Kind == avro.Fixed) {
		c.renamed(path, w, r)
	}
	switch r.Kind {
	case avro.Array:
		c.compare(path+"[]", w.Items, r.Items)
	case avro.Map:
		c.compare(path+"{}", w.Values, r.Values)
	case avro.Enum:
		c.enum(path, w, r)
	case avro.Record:
		c.record(path, w, r)
	}
}

func (c *changes) unions(path string, w, r *avro.Type) {
	readers := r.Alternatives()
	for _, branch := range w.Alternatives() {
		if i := avro.BranchFor(branch, &avro.Type{Kind: avro.Union, Branches: readers}); i >= 0 {
			at := path
			if branch.Kind == avro.Record {
				at = strings.TrimPrefix(path+"."+branch.ShortName(), ".")
			}
			c.compare(at, branch, readers[i])
		}
	}
}

func (c *changes) promoted(path string, w, r *avro.Type) {
	lossy := w.Kind == avro.Long && (r.Kind == avro.Float || r.Kind == avro.Double) || w.Kind == avro.Int && r.Kind == avro.Float
	switch {
	case !avro.Promotes(w.Kind, r.Kind): // incompatible: said already
	case lossy:
		c.add(Doubtful, "promotion", path, "%s became %s, which cannot hold every old value exactly", w.Describe(), r.Describe())
	case w.Kind == avro.Bytes || r.Kind == avro.Bytes:
		c.add(Doubtful, "promotion", path, "%s became %s: old bytes need not be text, and Go types and JSON change with it", w.Describe(), r.Describe())
	default:
		c.add(Note, "promotion", path, "%s became %s", w.Describe(), r.Describe())
	}
}

func (c *changes) renamed(path string, w, r *avro.Type) {
	switch {
	case w.ShortName() == r.ShortName():
		c.add(Doubtful, "namespace", path, "%s became %s: readers that compare full names, and generated classes, do not find it", w.Name, r.Name)
	default:
		c.add(Doubtful, "renamed", path, "%s became %s, which only readers that follow aliases can tell; within a union others lose it, "+
			"and the name in event_type or in a command is another one", w.Describe(), r.Describe())
	}
}

func (c *changes) enum(path string, w, r *avro.Type) {
	var lost []string
	for _, symbol := range w.Symbols {
		if !slices.Contains(r.Symbols, symbol) {
			lost = append(lost, symbol)
		}
	}
	if len(lost) > 0 && r.HasEnumDefault {
		c.add(Doubtful, "enum-narrowed", path, "old values %s will be read as %s: what they said is lost to every reader; keep the symbols",
			strings.Join(lost, ", "), r.EnumDefault)
	}
	if w.HasEnumDefault && w.EnumDefault != r.EnumDefault {
		c.add(Doubtful, "default-changed", path, "symbols that are not known were read as %q, and would be as %q", w.EnumDefault, r.EnumDefault)
	}
}

func (c *changes) record(path string, w, r *avro.Type) {
	var order []int
	for i := range r.Fields {
		rf := &r.Fields[i]
		at := strings.TrimPrefix(path+"."+rf.Name, ".")
		wf := w.FieldFor(rf)
		if wf == nil {
			continue
		}
		order = append(order, slices.IndexFunc(w.Fields, func(f avro.Field) bool { return f.Name == wf.Name }))
		if wf.Name != rf.Name {
			c.add(Doubtful, "renamed", at, "was %s, which only readers that follow aliases can tell; others take the default or fail", wf.Name)
		}
		switch {
		case wf.HasDefault && !rf.HasDefault:
			c.add(Doubtful, "default-changed", at, "had the default %v and has none: records of versions that lack the field cannot be read", wf.Default)
		case wf.HasDefault && !reflect.DeepEqual(wf.Default, rf.Default):
			c.add(Doubtful, "default-changed", at, "had the default %v and has %v: records of versions that lack the field change their meaning", wf.Default, rf.Default)
		}
		c.compare(at, wf.Type, rf.Type)
	}
	if !slices.IsSorted(order) {
		c.add(Note, "reordered", path, "fields of %s stand in another order: it makes no difference to Avro, and one to tools that go by position", r.ShortName())
	}
	for i := range w.Fields {
		wf := &w.Fields[i]
		if !slices.ContainsFunc(r.Fields, func(f avro.Field) bool { return w.FieldFor(&f) == wf }) {
			c.add(Note, "dropped", path, "the field %s of %s is gone: readers with this version skip it in old records", wf.Name, r.ShortName())
		}
	}
}
