package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// canonicalForm returns the Parsing Canonical Form of an Avro schema: only what matters for
// reading, full names, keys in a fixed order, no white space. It is written here, since the
// library's own form has names that are not in full.
func canonicalForm(text string) (string, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var schema any
	if err := decoder.Decode(&schema); err != nil {
		return "", fmt.Errorf("schema: %w", err)
	}
	var b bytes.Buffer
	if err := appendCanonical(&b, schema, ""); err != nil {
		return "", err
	}
	return b.String(), nil
}

func isPrimitive(name string) bool {
	switch name {
	case "null", "boolean", "int", "long", "float", "double", "bytes", "string":
		return true
	}
	return false
}

func fullName(name, namespace string) string {
	if namespace == "" || strings.Contains(name, ".") || isPrimitive(name) {
		return name
	}
	return namespace + "." + name
}

func shortName(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func quote(b *bytes.Buffer, s string) { fmt.Fprintf(b, "%q", s) }

func appendCanonical(b *bytes.Buffer, schema any, namespace string) error {
	switch s := schema.(type) {
	case string:
		quote(b, fullName(s, namespace))
		return nil
	case []any:
		return appendList(b, s, func(branch any) error { return appendCanonical(b, branch, namespace) })
	case map[string]any:
		return appendComplex(b, s, namespace)
	}
	return fmt.Errorf("schema: %v is none", schema)
}

func appendList(b *bytes.Buffer, items []any, item func(any) error) error {
	b.WriteByte('[')
	for i, one := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := item(one); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}

func appendComplex(b *bytes.Buffer, s map[string]any, namespace string) error {
	kind, simple := s["type"].(string)
	if !simple {
		return appendCanonical(b, s["type"], namespace)
	}
	if isPrimitive(kind) {
		quote(b, kind)
		return nil
	}
	b.WriteByte('{')
	if name, named := s["name"].(string); named {
		if own, ok := s["namespace"].(string); ok {
			namespace = own
		}
		name = fullName(name, namespace)
		if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
			namespace = name[:dot]
		}
		b.WriteString(`"name":`)
		quote(b, name)
		b.WriteByte(',')
	}
	b.WriteString(`"type":`)
	quote(b, kind)
	var err error
	switch kind {
	case "record", "error":
		fields, _ := s["fields"].([]any)
		b.WriteString(`,"fields":`)
		err = appendList(b, fields, func(one any) error {
			f, _ := one.(map[string]any)
			name, _ := f["name"].(string)
			b.WriteString(`{"name":`)
			quote(b, name)
			b.WriteString(`,"type":`)
			if err := appendCanonical(b, f["type"], namespace); err != nil {
				return err
			}
			b.WriteByte('}')
			return nil
		})
	case "enum":
		symbols, _ := s["symbols"].([]any)
		b.WriteString(`,"symbols":`)
		err = appendList(b, symbols, func(one any) error {
			quote(b, fmt.Sprint(one))
			return nil
		})
	case "array":
		b.WriteString(`,"items":`)
		err = appendCanonical(b, s["items"], namespace)
	case "map":
		b.WriteString(`,"values":`)
		err = appendCanonical(b, s["values"], namespace)
	case "fixed":
		fmt.Fprintf(b, `,"size":%v`, s["size"])
	default:
		err = fmt.Errorf("schema: unknown type %s", kind)
	}
	b.WriteByte('}')
	return err
}
