package avro

import (
	"fmt"
	"slices"

	twmb "github.com/twmb/avro"
)

// Compatible returns nil if everything written with the writer schema can be read with the reader
// schema and means the same. Beyond [Readable], a timestamp's unit must not change: no checker
// notices that, since the type beneath is the same.
func Compatible(writer, reader Schema) error { return compatible(writer, reader, true) }

// Readable returns nil if every implementation can read data of the writer schema with the reader
// schema. Beyond the Avro specification, a new field must state its default: for a union that
// starts with null some implementations assume one, others (Java, Python) do not.
func Readable(writer, reader Schema) error { return compatible(writer, reader, false) }

func compatible(writer, reader Schema, sameMeaning bool) error {
	if err := twmb.CheckCompatibility(writer.parsed, reader.parsed); err != nil {
		return err
	}
	c := strictness{sameMeaning: sameMeaning, seen: map[[2]*Type]bool{}}
	return c.check(writer.Type, reader.Type)
}

// strictness finds the differences that the specification accepts and this package refuses.
type strictness struct {
	sameMeaning bool
	seen        map[[2]*Type]bool
}

func (c *strictness) check(w, r *Type) error {
	if c.seen[[2]*Type{w, r}] {
		return nil
	}
	c.seen[[2]*Type{w, r}] = true
	switch {
	case w.Kind == Union || r.Kind == Union:
		for _, branch := range w.Alternatives() {
			into := r
			if r.Kind == Union {
				match := BranchFor(branch, r)
				if match < 0 {
					continue
				}
				into = r.Branches[match]
			}
			if err := c.check(branch, into); err != nil {
				return err
			}
		}
		return nil
	case w.Kind != r.Kind:
		return nil
	case r.Kind == Array:
		return c.check(w.Items, r.Items)
	case r.Kind == Map:
		return c.check(w.Values, r.Values)
	case r.Kind == Record:
		for i := range r.Fields {
			rf := &r.Fields[i]
			wf := w.FieldFor(rf)
			if wf == nil && !rf.HasDefault {
				return fmt.Errorf("field %s.%s is new and has no default", r.ShortName(), rf.Name)
			}
			if wf != nil {
				if err := c.check(wf.Type, rf.Type); err != nil {
					return fmt.Errorf("field %s.%s: %w", r.ShortName(), rf.Name, err)
				}
			}
		}
	case w.Logical != r.Logical && c.sameMeaning:
		return fmt.Errorf("logical type %q became %q: the numbers would change their meaning", w.Logical, r.Logical)
	}
	return nil
}

// FieldFor returns the writer's field for a field of a reader: the one with its name, or with one
// of its aliases.
func (t *Type) FieldFor(reader *Field) *Field {
	if f := t.Field(reader.Name); f != nil {
		return f
	}
	for _, alias := range reader.Aliases {
		if f := t.Field(alias); f != nil {
			return f
		}
	}
	return nil
}

// SameName reports whether a writer's named type is the reader's: by full name, alias, or
// unqualified name, as the specification says.
func SameName(writer, reader *Type) bool {
	return writer.Name == reader.Name || writer.ShortName() == reader.ShortName() || slices.Contains(reader.Aliases, writer.Name)
}

// BranchFor returns the branch of the reader's union that a value of the writer's type is read
// into, or -1. A branch of the same full name comes first, then one of the same kind and
// unqualified name, then one that the type is promoted to.
func BranchFor(writer, readerUnion *Type) int {
	named := writer.Kind == Record || writer.Kind == Enum || writer.Kind == Fixed
	for i, r := range readerUnion.Branches {
		if r.Kind == writer.Kind && r.Name == writer.Name && r.Size == writer.Size {
			return i
		}
	}
	for i, r := range readerUnion.Branches {
		if named && r.Kind == writer.Kind && SameName(writer, r) && r.Size == writer.Size {
			return i
		}
	}
	for i, r := range readerUnion.Branches {
		if Promotes(writer.Kind, r.Kind) {
			return i
		}
	}
	return -1
}

// Promotes reports whether a value of one primitive kind is read as another, wider one.
func Promotes(from, to Kind) bool {
	switch from {
	case Int:
		return to == Long || to == Float || to == Double
	case Long:
		return to == Float || to == Double
	case Float:
		return to == Double
	case String:
		return to == Bytes
	case Bytes:
		return to == String
	}
	return false
}
