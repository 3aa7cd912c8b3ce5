package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// microsOf returns an RFC 3339 time as microseconds; -1 for none.
func microsOf(text string) int64 {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return -1
	}
	return t.UnixMicro()
}

// timeFields are those that JSON has as texts and Avro as numbers.
var timeFields = map[string]bool{"recorded_at": true, "requested_at": true, "finished_at": true}

// normal makes values from Avro, JSON and the model alike: whole numbers are int64, times
// microseconds, unions their values.
func normal(name string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		if len(v) == 1 {
			for branch, inner := range v {
				if branch == "string" || branch == "long.timestamp-micros" {
					return normal(name, inner)
				}
			}
		}
		out := make(map[string]any, len(v))
		for k, inner := range v {
			out[k] = normal(k, inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = normal(name, inner)
		}
		return out
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		return v.String()
	case time.Time:
		return v.UnixMicro()
	case int32:
		return int64(v)
	case int:
		return int64(v)
	case string:
		if timeFields[name] {
			return microsOf(v)
		}
	}
	return value
}

// canonicalText is equal for equal documents.
func canonicalText(document any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(normal("", document)); err != nil {
		return fmt.Sprintf("%#v", document)
	}
	return string(bytes.TrimSpace(b.Bytes()))
}

// readDocument reads JSON, with whole numbers exact.
func readDocument(raw json.RawMessage) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var document any
	err := decoder.Decode(&document)
	return document, err
}

// differ returns where two documents differ, in words; "" if they do not.
func differ(got, want any) string {
	a, b := normal("", got), normal("", want)
	if canonicalText(a) == canonicalText(b) {
		return ""
	}
	left, ok1 := a.(map[string]any)
	right, ok2 := b.(map[string]any)
	if ok1 && ok2 {
		for _, key := range sortedKeys(right) {
			if have, has := left[key]; !has || canonicalText(have) != canonicalText(right[key]) {
				return fmt.Sprintf("%s is %s, not %s", key, clip(canonicalText(have)), clip(canonicalText(right[key])))
			}
		}
		for _, key := range sortedKeys(left) {
			if _, has := right[key]; !has {
				return fmt.Sprintf("%s is not a field", key)
			}
		}
	}
	return fmt.Sprintf("it is %s, not %s", clip(canonicalText(a)), clip(canonicalText(b)))
}

func clip(s string) string {
	const longest = 200
	if len(s) > longest {
		return s[:longest] + "..."
	}
	return s
}
