package avro

import "strings"

// Kind is the kind of an Avro type.
type Kind uint8

// The kinds of Avro types.
const (
	Null Kind = iota
	Boolean
	Int
	Long
	Float
	Double
	Bytes
	String
	Enum
	Fixed
	Array
	Map
	Union
	Record
)

var kinds = [...]string{"null", "boolean", "int", "long", "float", "double", "bytes", "string", "enum", "fixed", "array", "map", "union", "record"}

// String returns the kind as Avro writes it.
func (k Kind) String() string { return kinds[k] }

// These logical types are understood. Any other is read as the type beneath it, as the Avro
// specification says.
const (
	TimestampMicros = "timestamp-micros"
	Date            = "date"
)

// Type is a parsed Avro type. It is immutable, and never refers to itself.
type Type struct {
	Kind Kind
	// Name is the full name of a record, enum or fixed; Aliases are full names, too.
	Name    string
	Aliases []string
	// Logical is the logical type, or "".
	Logical string
	// Foreign is a logical type that is not understood, or "". Its values are read as the type
	// beneath it.
	Foreign string
	// Doc is the documentation of a record, enum or fixed.
	Doc string
	// Fields of a record, Items of an array, Values of a map, Branches of a union, Symbols of an
	// enum, Size of a fixed.
	Fields   []Field
	Items    *Type
	Values   *Type
	Branches []*Type
	Symbols  []string
	// EnumDefault stands in for a symbol that the reader does not know, if HasEnumDefault is set.
	EnumDefault    string
	HasEnumDefault bool
	Size           int
}

// Field is a field of a record.
type Field struct {
	Name    string
	Aliases []string
	Type    *Type
	// Default is nil, bool, int32, int64, float32, float64, string, []byte, []any or
	// map[string]any, if HasDefault is set. Unsaid has its canonical bytes.
	Default    any
	HasDefault bool
	Unsaid     []byte
	Doc        string
	// CopyOf makes the field a retired one if it is not empty. No program uses the field any more,
	// but it is still written, as a copy of the field with this name, for old readers. It is the
	// attribute "copyOf" in the schema.
	CopyOf string
}

// Field returns the record's field of that name, or nil.
func (t *Type) Field(name string) *Field {
	for i := range t.Fields {
		if t.Fields[i].Name == name {
			return &t.Fields[i]
		}
	}
	return nil
}

// Nullable returns the other branch of a union of null and one other type, and the index of null.
func (t *Type) Nullable() (other *Type, nullIndex int, ok bool) {
	if t.Kind != Union || len(t.Branches) != 2 {
		return nil, 0, false
	}
	switch {
	case t.Branches[0].Kind == Null && t.Branches[1].Kind != Null:
		return t.Branches[1], 0, true
	case t.Branches[1].Kind == Null && t.Branches[0].Kind != Null:
		return t.Branches[0], 1, true
	}
	return nil, 0, false
}

// ShortName returns the name without its namespace.
func (t *Type) ShortName() string { return t.Name[strings.LastIndexByte(t.Name, '.')+1:] }

// Describe names the type for people: by its name if it has one, else by its kind.
func (t *Type) Describe() string {
	if t.Name != "" {
		return t.Kind.String() + " " + t.Name
	}
	if t.Logical != "" {
		return t.Kind.String() + " (" + t.Logical + ")"
	}
	return t.Kind.String()
}
