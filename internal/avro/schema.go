package avro

import (
	"bytes"
	"encoding/json"
	"fmt"

	twmb "github.com/twmb/avro"
)

// Schema is a parsed schema.
type Schema struct {
	Text string
	// Fingerprint is the SHA-256 of the Parsing Canonical Form: the schema's identity, independent
	// of white space, documentation and id.
	Fingerprint [32]byte
	Type        *Type

	parsed *twmb.Schema
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

// Parse reads an Avro schema. It refuses recursive schemas, since no reader of a log can bound
// them, and schemas beyond [MaxSchemaBytes] and [MaxDepth]. The text may come from anyone.
func Parse(text string) (s Schema, err error) {
	if len(text) > MaxSchemaBytes {
		return Schema{}, fmt.Errorf("schema of %d bytes: at most %d are allowed", len(text), MaxSchemaBytes)
	}
	if depth := jsonDepth(text); depth > maxJSONDepth {
		return Schema{}, fmt.Errorf("schema nested %d levels deep: at most %d are allowed", depth, maxJSONDepth)
	}
	defer func() {
		// The text is input: a panic of the parser is that schema's fault alone.
		if p := recover(); p != nil {
			s, err = Schema{}, fmt.Errorf("schema cannot be parsed: %v", p)
		}
	}()
	parsed, err := twmb.Parse(text)
	if err != nil {
		return Schema{}, err
	}
	b := &typeBuilder{named: map[string]*Type{}, open: map[string]bool{}}
	return b.schema(text, parsed)
}

// ParseAny reads any Avro schema, also recursive ones and those that refer to others. The others
// come first, each after those that it refers to itself. The result is for [Readable] alone:
// nothing else here may walk a type that contains itself.
func ParseAny(text string, others ...string) (Schema, error) {
	var known twmb.SchemaCache
	for _, other := range others {
		if _, err := known.Parse(other); err != nil {
			return Schema{}, err
		}
	}
	parsed, err := known.Parse(text)
	if err != nil {
		return Schema{}, err
	}
	b := &typeBuilder{named: map[string]*Type{}, recursive: true}
	return b.schema(text, parsed)
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

// jsonDepth returns the nesting depth of brackets outside of strings.
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
