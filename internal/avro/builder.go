package avro

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	twmb "github.com/twmb/avro"
)

// typeBuilder turns the parser's tree into a [Type]: names resolved, recursion refused, depth
// bounded.
type typeBuilder struct {
	named map[string]*Type
	open  map[string]bool // records that are being built: a reference to one is recursion
	// recursive lifts both bounds. Defaults then stay without their bytes.
	recursive bool
	// unsaid counts the bytes of all defaults.
	unsaid int
}

func (b *typeBuilder) schema(text string, parsed *twmb.Schema) (Schema, error) {
	typ, err := b.build(parsed.Root(), "", 0)
	if err != nil {
		return Schema{}, err
	}
	return Schema{Text: text, Fingerprint: sha256.Sum256(parsed.Canonical()), Type: typ, parsed: parsed}, nil
}

// build returns the type of a node. Unqualified references belong to the given namespace.
func (b *typeBuilder) build(n *twmb.SchemaNode, namespace string, depth int) (*Type, error) {
	if depth > MaxDepth && !b.recursive {
		return nil, fmt.Errorf("types nested more than %d levels deep", MaxDepth)
	}
	kind := slices.Index(kinds[:], n.Type)
	if n.Type == "error" {
		kind = int(Record)
	}
	if kind < 0 {
		return b.reference(fullName(n.Type, namespace), n.Type)
	}
	t := &Type{Kind: Kind(kind), Aliases: n.Aliases, Doc: n.Doc}
	switch {
	case t.Kind == Int && n.LogicalType == Date, t.Kind == Long && n.LogicalType == TimestampMicros:
		t.Logical = n.LogicalType
	case t.Kind == String && n.LogicalType == "uuid": // text like any other
	case n.LogicalType == "decimal":
		t.Foreign = fmt.Sprintf("decimal(%d,%d)", n.Precision, n.Scale)
	default:
		t.Foreign = n.LogicalType
	}
	switch t.Kind {
	case Record, Enum, Fixed:
		t.Name = fullName(n.Name, n.Namespace)
		t.Aliases = nil
		namespace = t.Name[:max(0, strings.LastIndexByte(t.Name, '.'))]
		for _, a := range n.Aliases {
			t.Aliases = append(t.Aliases, fullName(a, namespace))
		}
		b.named[t.Name] = t
	}
	t.Symbols, t.EnumDefault, t.HasEnumDefault, t.Size = n.Symbols, n.EnumDefault, n.HasEnumDefault, n.Size
	var err error
	switch t.Kind {
	case Array:
		t.Items, err = b.build(n.Items, namespace, depth+1)
	case Map:
		t.Values, err = b.build(n.Values, namespace, depth+1)
	case Union:
		for i := range n.Branches {
			var branch *Type
			if branch, err = b.build(&n.Branches[i], namespace, depth+1); err != nil {
				return nil, err
			}
			t.Branches = append(t.Branches, branch)
		}
	case Record:
		if !b.recursive {
			b.open[t.Name] = true
		}
		for i := range n.Fields {
			f := &n.Fields[i]
			typ, err := b.build(&f.Type, namespace, depth+1)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", t.ShortName(), f.Name, err)
			}
			copyOf, _ := f.Props["copyOf"].(string)
			field := Field{Name: f.Name, Aliases: f.Aliases, Type: typ, Default: f.Default, HasDefault: f.HasDefault, Doc: f.Doc, CopyOf: copyOf}
			if f.HasDefault && !b.recursive {
				if field.Unsaid, err = appendDefault(nil, typ, f.Default); err != nil {
					return nil, fmt.Errorf("default of field %s.%s: %w", t.ShortName(), f.Name, err)
				}
				// a short text can describe defaults that double at every level
				if b.unsaid += len(field.Unsaid); b.unsaid > MaxSchemaBytes {
					return nil, fmt.Errorf("defaults of more than %d bytes", MaxSchemaBytes)
				}
			}
			t.Fields = append(t.Fields, field)
		}
		delete(b.open, t.Name)
	}
	return t, err
}

// reference returns the first type that is known by one of the names.
func (b *typeBuilder) reference(names ...string) (*Type, error) {
	for _, name := range names {
		if b.open[name] {
			return nil, fmt.Errorf("record %s contains itself; recursive schemas are not supported", name)
		}
		if t := b.named[name]; t != nil {
			return t, nil
		}
	}
	return nil, fmt.Errorf("unknown type %q", names[0])
}

func fullName(name, namespace string) string {
	if namespace == "" || strings.Contains(name, ".") {
		return name
	}
	return namespace + "." + name
}
