package avro

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
)

// appendDefault appends the canonical bytes of a schema's default.
func appendDefault(dst []byte, t *Type, value any) ([]byte, error) {
	switch t.Kind {
	case Null:
		if value == nil {
			return dst, nil
		}
	case Boolean:
		if b, ok := value.(bool); ok {
			return AppendBool(dst, b), nil
		}
	case Int:
		if n, ok := value.(int32); ok {
			return AppendLong(dst, int64(n)), nil
		}
	case Long:
		if n, ok := value.(int64); ok {
			return AppendLong(dst, n), nil
		}
	case Float:
		if f, ok := value.(float32); ok {
			return binary.LittleEndian.AppendUint32(dst, math.Float32bits(f)), nil
		}
	case Double:
		if f, ok := value.(float64); ok {
			return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), nil
		}
	case Bytes:
		if b, ok := value.([]byte); ok {
			return AppendBytes(dst, b), nil
		}
	case String:
		if s, ok := value.(string); ok {
			return AppendString(dst, s), nil
		}
	case Enum:
		if s, ok := value.(string); ok && slices.Contains(t.Symbols, s) {
			return AppendLong(dst, int64(slices.Index(t.Symbols, s))), nil
		}
	case Fixed:
		if b, ok := value.([]byte); ok && len(b) == t.Size {
			return append(dst, b...), nil
		}
	case Union:
		for i, branch := range t.Branches {
			if out, err := appendDefault(AppendLong(dst, int64(i)), branch, value); err == nil {
				return out, nil
			}
		}
	case Array:
		if items, ok := value.([]any); ok {
			return appendItems(dst, len(items), func(dst []byte, i int) ([]byte, error) { return appendDefault(dst, t.Items, items[i]) })
		}
	case Map:
		if entries, ok := value.(map[string]any); ok {
			keys := slices.Sorted(maps.Keys(entries))
			return appendItems(dst, len(keys), func(dst []byte, i int) ([]byte, error) {
				return appendDefault(AppendString(dst, keys[i]), t.Values, entries[keys[i]])
			})
		}
	case Record:
		if fields, ok := value.(map[string]any); ok {
			return appendDefaultRecord(dst, t, fields)
		}
	}
	return nil, fmt.Errorf("%v (%T) is no %s", value, value, t.Describe())
}

func appendDefaultRecord(dst []byte, t *Type, values map[string]any) (_ []byte, err error) {
	for i := range t.Fields {
		f := &t.Fields[i]
		switch value, given := values[f.Name]; {
		case given:
			if dst, err = appendDefault(dst, f.Type, value); err != nil {
				return nil, err
			}
		case f.HasDefault:
			dst = append(dst, f.Unsaid...)
		default:
			return nil, fmt.Errorf("lacks the field %s", f.Name)
		}
	}
	return dst, nil
}

// appendItems appends n array items or map entries as one block, and the end.
func appendItems(dst []byte, n int, item func(dst []byte, i int) ([]byte, error)) ([]byte, error) {
	if n > 0 {
		dst = AppendLong(dst, int64(n))
	}
	var err error
	for i := range n {
		if dst, err = item(dst, i); err != nil {
			return nil, err
		}
	}
	return append(dst, 0), nil
}
