package avro

import (
	"encoding/binary"
	"slices"
)

// Canonical bytes: shortest numbers, an array or map as one block, a map's entries sorted by key.
// The readers below rely on this shape.

// AppendLong appends a zigzag variable-length number, as int and long have it.
func AppendLong(dst []byte, n int64) []byte { return binary.AppendVarint(dst, n) }

// AppendBytes appends bytes behind their length.
func AppendBytes(dst, b []byte) []byte { return append(AppendLong(dst, int64(len(b))), b...) }

// AppendString appends a text behind its length.
func AppendString(dst []byte, s string) []byte { return append(AppendLong(dst, int64(len(s))), s...) }

// AppendBool appends a boolean.
func AppendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// AppendOptionalString appends a text or, for "", null, in a union that begins with null.
func AppendOptionalString(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, 0)
	}
	return AppendString(append(dst, 2), s)
}

// CloseBlock puts the count before the n items that were appended since mark, and the end after
// them.
func CloseBlock(dst []byte, mark, n int) []byte {
	if n > 0 {
		var count [binary.MaxVarintLen64]byte
		dst = slices.Insert(dst, mark, count[:binary.PutVarint(count[:], int64(n))]...)
	}
	return append(dst, 0)
}

// ReadLong reads an int or long.
func ReadLong(b []byte) int64 { n, _ := binary.Varint(b); return n }

// ReadBytes reads bytes or a string.
func ReadBytes(b []byte) []byte {
	n, size := binary.Varint(b)
	return b[size : size+int(n)]
}

// ReadString reads a string.
func ReadString(b []byte) string { return string(ReadBytes(b)) }

// ReadOptional returns the bytes of a union of null and a type, null first, or nil.
func ReadOptional(b []byte) []byte {
	if len(b) == 0 || b[0] == 0 {
		return nil
	}
	return b[1:]
}

// ReadStrings reads an array of strings.
func ReadStrings(b []byte) []string {
	n, size := binary.Varint(b)
	if n == 0 {
		return nil
	}
	b = b[size:]
	list := make([]string, 0, n)
	for range n {
		length, size := binary.Varint(b)
		end := size + int(length)
		list = append(list, string(b[size:end]))
		b = b[end:]
	}
	return list
}

// ReadBranch returns the branch of a union and the bytes of its value.
func ReadBranch(b []byte) (int, []byte) {
	n, size := binary.Varint(b)
	return int(n), b[size:]
}
