package avro

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// ScanJSON returns the value in a text that is one JSON value in valid UTF-8 and nothing else. The
// rest of this file relies on it: it walks sound text without building maps of it.
func ScanJSON(text []byte) ([]byte, error) {
	switch {
	case len(text) == 0:
		return nil, errors.New("is empty")
	case !utf8.Valid(text):
		return nil, errors.New("is not valid UTF-8")
	case !json.Valid(text):
		var v json.RawMessage
		err := json.Unmarshal(text, &v)
		if err == nil {
			err = errors.New("is not JSON")
		}
		return nil, err
	}
	start := skipSpace(text, 0)
	return text[start:valueEnd(text, start)], nil
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// valueEnd returns the end of the value that starts at i.
func valueEnd(b []byte, i int) int {
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		for depth := 0; ; {
			switch b[i] {
			case '"':
				i = stringEnd(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	return i
}

func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// Members yields the members of an object, in the order of the text. The key is still quoted.
func Members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(quoted, value []byte) bool) {
		for i := skipSpace(object, 1); object[i] != '}'; {
			keyEnd := stringEnd(object, i)
			colon := skipSpace(object, keyEnd)
			start := skipSpace(object, colon+1)
			end := valueEnd(object, start)
			if !yield(object[i:keyEnd], object[start:end]) {
				return
			}
			i = next(object, end)
		}
	}
}

// elements yields the elements of an array.
func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		for i := skipSpace(array, 1); array[i] != ']'; {
			end := valueEnd(array, i)
			if !yield(array[i:end]) {
				return
			}
			i = next(array, end)
		}
	}
}

// next returns the place behind a value: the start of the next one, or the closing bracket.
func next(b []byte, end int) int {
	i := skipSpace(b, end)
	if b[i] == ',' {
		i = skipSpace(b, i+1)
	}
	return i
}

var errSurrogate = errors.New("has half of a surrogate pair, which is no character")

// Unquote returns the text of a JSON string. Without escapes that is a part of the input itself.
func Unquote(quoted []byte) ([]byte, error) {
	inner := quoted[1 : len(quoted)-1]
	escape := bytes.IndexByte(inner, '\\')
	if escape < 0 {
		return inner, nil
	}
	out := append(make([]byte, 0, len(inner)), inner[:escape]...)
	for i := escape; i < len(inner); i++ {
		c := inner[i]
		if c != '\\' {
			out = append(out, c)
			continue
		}
		i++
		switch inner[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hex4(inner[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				if i+6 >= len(inner) || inner[i+1] != '\\' || inner[i+2] != 'u' {
					return nil, errSurrogate
				}
				if r = utf16.DecodeRune(r, hex4(inner[i+3:])); r == utf8.RuneError {
					return nil, errSurrogate
				}
				i += 6
			}
			out = utf8.AppendRune(out, r)
		default: // a quote, a slash, a backslash
			out = append(out, inner[i])
		}
	}
	return out, nil
}

func hex4(b []byte) rune {
	n, _ := strconv.ParseUint(string(b[:4]), 16, 32)
	return rune(n)
}

// DescribeJSON names a value's kind, for messages.
func DescribeJSON(value []byte) string {
	switch value[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	if len(value) > 40 {
		return "a number"
	}
	return fmt.Sprintf("the number %s", value)
}
