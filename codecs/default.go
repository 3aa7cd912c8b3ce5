package codecs

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"encoding/binary"

	"github.com/foldlog/foldlog/schemas"
)

// appendDefault appends the canonical bytes of a schema's default.
func appendDefault(dst []byte, t *schemas.Type, value any) ([]byte, error) {
	mismatch := func() ([]byte, error) { return nil, fmt.Errorf("%v (%T) is no %s", value, value, t.Describe()) }
	switch t.Kind {
	case schemas.Null:
		if value != nil {
			return mismatch()
		}
		return dst, nil
	case schemas.Boolean:
		if b, ok := value.(bool); ok {
			return appendBool(dst, b), nil
		}
	case schemas.Int:
		if n, ok := value.(int32); ok {
			return appendLong(dst, int64(n)), nil
		}
	case schemas.Long:
		if n, ok := value.(int64); ok {
			return appendLong(dst, n), nil
		}
	case schemas.Float:
		if f, ok := value.(float32); ok {
			return binary.LittleEndian.AppendUint32(dst, math.Float32bits(f)), nil
		}
	case schemas.Double:
		if f, ok := value.(float64); ok {
			return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), nil
		}
	case schemas.Bytes:
		if b, ok := value.([]byte); ok {
			return appendBytes(dst, b), nil
		}
	case schemas.String:
		if s, ok := value.(string); ok {
			return appendString(dst, s), nil
		}
	case schemas.Enum:
		if s, ok := value.(string); ok && slices.Contains(t.Symbols, s) {
			return appendLong(dst, int64(slices.Index(t.Symbols, s))), nil
		}
	case schemas.Fixed:
		if b, ok := value.([]byte); ok && len(b) == t.Size {
			return append(dst, b...), nil
		}
	case schemas.Union:
		for i, branch := range t.Branches {
			if out, err := appendDefault(appendLong(dst, int64(i)), branch, value); err == nil {
				return out, nil
			}
		}
	case schemas.Array:
		if items, ok := value.([]any); ok {
			return appendItems(dst, len(items), func(dst []byte, i int) ([]byte, error) { return appendDefault(dst, t.Items, items[i]) })
		}
	case schemas.Map:
		if entries, ok := value.(map[string]any); ok {
			keys := make([]string, 0, len(entries))
			for k := range entries {
				keys = append(keys, k)
			}
			sort.Strings(keys)
			return appendItems(dst, len(keys), func(dst []byte, i int) ([]byte, error) {
				return appendDefault(appendString(dst, keys[i]), t.Values, entries[keys[i]])
			})
		}
	case schemas.Record:
		return appendDefaultRecord(dst, t, value)
	}
	return mismatch()
}

func appendDefaultRecord(dst []byte, t *schemas.Type, value any) ([]byte, error) {
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%v is no %s", value, t.Describe())
	}
	var err error
	for i := range t.Fields {
		f := &t.Fields[i]
		v, given := fields[f.Name]
		if !given {
			if !f.HasDefault {
				return nil, fmt.Errorf("lacks the field %s", f.Name)
			}
			v = f.Default
		}
		if dst, err = appendDefault(dst, f.Type, v); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// appendItems appends n array items or map entries as one block, and the end.
func appendItems(dst []byte, n int, item func(dst []byte, i int) ([]byte, error)) ([]byte, error) {
	if n > 0 {
		dst = appendLong(dst, int64(n))
	}
	var err error
	for i := range n {
		if dst, err = item(dst, i); err != nil {
			return nil, err
		}
	}
	return append(dst, 0), nil
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// appendLong appends a zigzag variable-length number, as int and long have it.
func appendLong(dst []byte, n int64) []byte {
	return binary.AppendVarint(dst, n)
}

func appendBytes(dst, b []byte) []byte { return append(appendLong(dst, int64(len(b))), b...) }

func appendString(dst []byte, s string) []byte { return append(appendLong(dst, int64(len(s))), s...) }
