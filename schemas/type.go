package schemas

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/twmb/avro"
)

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

// Logical types that are understood. Any other is read as the type beneath it, as the Avro
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
	// Foreign is a logical type that is not understood, or "". Its values are read as what is
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
	// EnumDefault stands in for a symbol that the reader does not know, where HasEnumDefault.
	EnumDefault    string
	HasEnumDefault bool
	Size           int
}

// Field is a field of a record.
type Field struct {
	Name    string
	Aliases []string
	Type    *Type
	// Default, where HasDefault, is nil, bool, int32, int64, float32, float64, string, []byte,
	// []any or map[string]any.
	Default    any
	HasDefault bool
	Doc        string
	// CopyOf, where not empty, makes the field a retired one: no program uses it any more, and it
	// is still written, as a copy of the field with this name, for readers that know no other. It
	// is the attribute "copyOf" in the schema.
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

// Nullable returns the other branch of a union of null and one other type, and which branch null
// is.
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

// Describe returns the type as people say it: its name where it has one, else its kind.
func (t *Type) Describe() string {
	if t.Name != "" {
		return t.Kind.String() + " " + t.Name
	}
	if t.Logical != "" {
		return t.Kind.String() + " (" + t.Logical + ")"
	}
	return t.Kind.String()
}

// Schema is one version of a schema.
type Schema struct {
	// Version is N of vN.avsc, or 0 for a schema that came from elsewhere.
	Version int
	// File is where the version was loaded from, such as "account.events/v2.avsc", and Locked
	// whether the lock file has it; see [LockFile].
	File   string
	Locked bool
	// Text is the schema as it was published.
	Text string
	// Fingerprint is the SHA-256 of the Parsing Canonical Form: the schema's identity, whatever its
	// white space, documentation and id.
	Fingerprint [32]byte
	Type        *Type

	parsed *avro.Schema
}

// Bounds of a schema that Parse accepts.
const (
	// MaxSchemaBytes is the largest schema text.
	MaxSchemaBytes = 1 << 20
	// MaxDepth is how deep the types of a schema may be nested.
	MaxDepth = 32
	// maxJSONDepth bounds the text before any parser recurses over it; a type takes up to four
	// levels of JSON.
	maxJSONDepth = 4 * MaxDepth
)

// Parse reads an Avro schema. It refuses recursive schemas, which no reader of a log can bound, and
// those beyond [MaxSchemaBytes] and [MaxDepth]. The text may come from anyone.
func Parse(text string) (s Schema, err error) {
	if len(text) > MaxSchemaBytes {
		return Schema{}, fmt.Errorf("schema of %d bytes: at most %d are allowed", len(text), MaxSchemaBytes)
	}
	if depth := jsonDepth(text); depth > maxJSONDepth {
		return Schema{}, fmt.Errorf("schema nested %d levels deep: at most %d are allowed", depth, maxJSONDepth)
	}
	defer func() {
		// the text is input: a parser's panic is that schema's fault alone
		if p := recover(); p != nil {
			s, err = Schema{}, fmt.Errorf("schema cannot be parsed: %v", p)
		}
	}()
	parsed, err := avro.Parse(text)
	if err != nil {
		return Schema{}, err
	}
	b := &typeBuilder{named: map[string]*Type{}, open: map[string]bool{}}
	root := parsed.Root()
	typ, err := b.build(root, "", 0)
	if err != nil {
		return Schema{}, err
	}
	return Schema{Text: text, Fingerprint: sha256.Sum256(parsed.Canonical()), Type: typ, parsed: parsed}, nil
}

// Canonical returns the schema's Parsing Canonical Form.
func (s Schema) Canonical() []byte { return s.parsed.Canonical() }

// Compact returns the schema's text without insignificant white space.
func (s Schema) Compact() string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(s.Text)) != nil {
		return s.Text // a bare type name, which is no JSON
	}
	return b.String()
}

// jsonDepth returns how deep brackets are nested outside of strings.
func jsonDepth(text string) int {
	depth, deepest, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
