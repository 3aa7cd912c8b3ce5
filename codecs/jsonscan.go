package codecs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// checkJSON returns nil where the text is one JSON value in valid UTF-8 and nothing else. What
// follows in this file relies on it: it walks text that is known to be sound, without building maps
// of it.
func checkJSON(text []byte) error {
	if len(text) == 0 {
		return errors.New("is empty")
	}
	if !utf8.Valid(text) {
		return errors.New("is not valid UTF-8")
	}
	if !json.Valid(text) {
		var v json.RawMessage
		err := json.Unmarshal(text, &v)
		if err == nil {
			err = errors.New("is not JSON")
		}
		return err
	}
	return nil
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// valueEnd returns where the value that starts at i ends.
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

// trim returns the value without white space around it.
func trim(b []byte) []byte {
	i := skipSpace(b, 0)
	return b[i:valueEnd(b, i)]
}

// members calls member for each member of an object, in the order of the text. The key is still
// quoted.
func members(object []byte, member func(quoted, value []byte) error) error {
	for i := skipSpace(object, 1); object[i] != '}'; {
		keyEnd := stringEnd(object, i)
		colon := skipSpace(object, keyEnd)
		start := skipSpace(object, colon+1)
		end := valueEnd(object, start)
		if err := member(object[i:keyEnd], object[start:end]); err != nil {
			return err
		}
		if i = skipSpace(object, end); object[i] == ',' {
			i = skipSpace(object, i+1)
		}
	}
	return nil
}

// elements calls element for each element of an array.
func elements(array []byte, element func(i int, value []byte) error) error {
	n := 0
	for i := skipSpace(array, 1); array[i] != ']'; n++ {
		end := valueEnd(array, i)
		if err := element(n, array[i:end]); err != nil {
			return err
		}
		if i = skipSpace(array, end); array[i] == ',' {
			i = skipSpace(array, i+1)
		}
	}
	return nil
}

var errSurrogate = errors.New("has half of a surrogate pair, which is no character")

// unquote returns what a JSON string says. Without escapes that is a part of the text itself.
func unquote(quoted []byte) ([]byte, error) {
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

// describeJSON names a value's kind, for messages.
func describeJSON(value []byte) string {
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
