package scenario

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// text returns a value as Go-like text on one line. It follows pointers, so that their values can
// be read.
func text(value any) string { return render(reflect.ValueOf(value)) }

func render(v reflect.Value) string {
	var b strings.Builder
	write(&b, v, true)
	return b.String()
}

func write(b *strings.Builder, v reflect.Value, named bool) {
	if !v.IsValid() {
		b.WriteString("nil")
		return
	}
	if t, ok := instant(v); ok {
		b.WriteString(t.Format(time.RFC3339Nano))
		return
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			b.WriteString("nil")
			return
		}
		if v.Kind() == reflect.Pointer {
			b.WriteByte('&')
		}
		write(b, v.Elem(), true)
	case reflect.Struct:
		if named {
			b.WriteString(v.Type().String())
		}
		b.WriteByte('{')
		for i := range v.NumField() {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(v.Type().Field(i).Name + ": ")
			write(b, v.Field(i), true)
		}
		b.WriteByte('}')
	case reflect.Slice, reflect.Array:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteString(", ")
			}
			write(b, v.Index(i), v.Type().Elem().Kind() == reflect.Interface)
		}
		b.WriteByte(']')
	case reflect.Map:
		entries := map[string]reflect.Value{}
		for _, key := range v.MapKeys() {
			var k strings.Builder
			write(&k, key, false)
			entries[k.String()] = v.MapIndex(key)
		}
		b.WriteByte('{')
		for i, k := range slices.Sorted(maps.Keys(entries)) {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(k + ": ")
			write(b, entries[k], true)
		}
		b.WriteByte('}')
	case reflect.String:
		b.WriteString(strconv.Quote(v.String()))
	default:
		fmt.Fprint(b, v) // fmt prints what a reflect.Value holds, unexported fields included
	}
}

// instant returns the time that v holds.
func instant(v reflect.Value) (time.Time, bool) {
	if v.Type() != reflect.TypeFor[time.Time]() || !v.CanInterface() {
		return time.Time{}, false
	}
	return v.Interface().(time.Time), true
}

// list returns values as numbered lines; nothing as the given word.
func list[T any](values []T, nothing string) string {
	if len(values) == 0 {
		return nothing
	}
	lines := make([]string, len(values))
	for i, v := range values {
		line, isText := any(v).(string)
		if !isText {
			line = text(v)
		}
		lines[i] = fmt.Sprintf("%d. %s", i+1, line)
	}
	return strings.Join(lines, "\n")
}

// section is a headed part of a message.
type section struct{ head, body string }

func message(problem string, sections ...section) string {
	var b strings.Builder
	b.WriteString(problem)
	for _, s := range sections {
		if s.body != "" {
			b.WriteString("\n  " + s.head)
			for line := range strings.SplitSeq(s.body, "\n") {
				b.WriteString("\n    " + line)
			}
		}
	}
	return b.String()
}
