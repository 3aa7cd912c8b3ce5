package devcluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"
)

// readable reports why data written with one Avro schema cannot be read with another by every
// implementation.
//
// The library takes a union that begins with null to have the default null, as its reading of the
// specification is. Java and Python do not: to them a new field of that type without a default is
// missing. So that case is refused here.
func readable(writer, reader *avro.Schema) error {
	if err := avro.CheckCompatibility(writer, reader); err != nil {
		return err
	}
	w := defaults{writer: newTypes(writer.Root()), reader: newTypes(reader.Root()), seen: make(map[[2]string]bool)}
	return w.check(writer.Root(), reader.Root(), "")
}

// types are the named types of a schema by their full names.
type types map[string]*avro.SchemaNode

func newTypes(root *avro.SchemaNode) types {
	t := make(types)
	t.collect(root)
	return t
}

func (t types) collect(n *avro.SchemaNode) {
	if n == nil {
		return
	}
	switch n.Type {
	case "record", "error", "enum", "fixed":
		t[fullName(n)] = n
	}
	for i := range n.Fields {
		t.collect(&n.Fields[i].Type)
	}
	t.collect(n.Items)
	t.collect(n.Values)
	for i := range n.Branches {
		t.collect(&n.Branches[i])
	}
}

// resolve follows a reference to a named type.
func (t types) resolve(n *avro.SchemaNode) *avro.SchemaNode {
	if named, ok := t[n.Type]; ok {
		return named
	}
	return n
}

func fullName(n *avro.SchemaNode) string {
	if n.Namespace == "" || strings.Contains(n.Name, ".") {
		return n.Name
	}
	return n.Namespace + "." + n.Name
}

func shortName(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// defaults looks for fields that a reader has without a default, and a writer has not. It walks two
// schemas that the library found compatible, so it need not tell why two types do not match.
type defaults struct {
	writer, reader types
	seen           map[[2]string]bool
}

func (d defaults) check(w, r *avro.SchemaNode, path string) error {
	w, r = d.writer.resolve(w), d.reader.resolve(r)
	if w.Type == "union" {
		for i := range w.Branches {
			if err := d.check(&w.Branches[i], r, path); err != nil {
				return err
			}
		}
		return nil
	}
	if r.Type == "union" {
		if r = d.branch(w, r); r == nil {
			return nil
		}
	}
	switch {
	case w.Type == "array" && r.Type == "array":
		return d.check(w.Items, r.Items, path+"[]")
	case w.Type == "map" && r.Type == "map":
		return d.check(w.Values, r.Values, path+"{}")
	case w.Type == "record" && r.Type == "record":
		return d.checkRecord(w, r, path)
	}
	return nil
}

func (d defaults) checkRecord(w, r *avro.SchemaNode, path string) error {
	pair := [2]string{fullName(w), fullName(r)}
	if d.seen[pair] {
		return nil
	}
	d.seen[pair] = true
	for i := range r.Fields {
		field := &r.Fields[i]
		at := strings.TrimPrefix(path+"."+field.Name, ".")
		j := slices.IndexFunc(w.Fields, func(f avro.SchemaField) bool { return f.Name == field.Name })
		for _, alias := range field.Aliases {
			if j < 0 {
				j = slices.IndexFunc(w.Fields, func(f avro.SchemaField) bool { return f.Name == alias })
			}
		}
		if j >= 0 {
			if err := d.check(&w.Fields[j].Type, &field.Type, at); err != nil {
				return err
			}
			continue
		}
		if !field.HasDefault {
			return fmt.Errorf("field %s of record %s is not in what was written and has no default"+
				" (a union that begins with null needs \"default\": null, too)", at, fullName(r))
		}
	}
	return nil
}

// branch returns the branch of a reader's union that a writer's type is read as: by full name, else
// by short name, else by type. Only records, arrays and maps matter, as no others hold fields.
func (d defaults) branch(w, union *avro.SchemaNode) *avro.SchemaNode {
	var short *avro.SchemaNode
	for i := range union.Branches {
		b := d.reader.resolve(&union.Branches[i])
		if b.Type != w.Type {
			continue
		}
		if b.Type != "record" || fullName(b) == fullName(w) || slices.Contains(b.Aliases, w.Name) || slices.Contains(b.Aliases, fullName(w)) {
			return b
		}
		if short == nil && shortName(b.Name) == shortName(w.Name) {
			short = b
		}
	}
	return short
}
