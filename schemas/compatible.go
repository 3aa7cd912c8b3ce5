package schemas

import (
	"fmt"

	"github.com/twmb/avro"
)

// Compatible returns nil where everything written with the writer schema can be read with the
// reader schema, by the Avro specification. Beyond it, a new field must state its default: for a
// union that starts with null some implementations assume one and others (Java, Python) do not. A
// timestamp's unit must not change either, which no checker notices since the type beneath is the
// same.
func Compatible(writer, reader Schema) error {
	if err := avro.CheckCompatibility(writer.parsed, reader.parsed); err != nil {
		return err
	}
	return strictly(writer.Type, reader.Type, map[[2]*Type]bool{})
}

// strictly finds what the specification lets pass. The schemas are compatible.
func strictly(w, r *Type, seen map[[2]*Type]bool) error {
	if seen[[2]*Type{w, r}] {
		return nil
	}
	seen[[2]*Type{w, r}] = true
	switch {
	case r.Kind == Union:
		writers := []*Type{w}
		if w.Kind == Union {
			writers = w.Branches
		}
		for _, branch := range writers {
			if match := BranchFor(branch, r); match >= 0 {
				if err := strictly(branch, r.Branches[match], seen); err != nil {
					return err
				}
			}
		}
		return nil
	case w.Kind != r.Kind:
		return nil
	case r.Kind == Array:
		return strictly(w.Items, r.Items, seen)
	case r.Kind == Map:
		return strictly(w.Values, r.Values, seen)
	case r.Kind == Record:
		for i := range r.Fields {
			rf := &r.Fields[i]
			wf := w.FieldFor(rf)
			if wf == nil && !rf.HasDefault {
				return fmt.Errorf("field %s.%s is new and has no default", r.ShortName(), rf.Name)
			}
			if wf != nil {
				if err := strictly(wf.Type, rf.Type, seen); err != nil {
					return fmt.Errorf("field %s.%s: %w", r.ShortName(), rf.Name, err)
				}
			}
		}
	case w.Logical != r.Logical && w.Kind == r.Kind:
		return fmt.Errorf("logical type %q became %q: the numbers would change their meaning", w.Logical, r.Logical)
	}
	return nil
}

// FieldFor returns the writer's field that a field of a reader is read from: the one with its name,
// or with one of its aliases.
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
// unqualified name, as the specification has it.
func SameName(writer, reader *Type) bool {
	if writer.Name == reader.Name || writer.ShortName() == reader.ShortName() {
		return true
	}
	for _, alias := range reader.Aliases {
		if alias == writer.Name {
			return true
		}
	}
	return false
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
