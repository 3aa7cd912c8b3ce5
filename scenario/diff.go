package scenario

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// difference returns the place and kind of the first difference between got and want, or "". The
// path starts at root.
func difference(root string, want, got any) string {
	return diff(root, reflect.ValueOf(want), reflect.ValueOf(got))
}

func diff(path string, want, got reflect.Value) string {
	differs := func() string { return fmt.Sprintf("%s: expected %s, got %s", path, render(want), render(got)) }
	if !want.IsValid() || !got.IsValid() {
		if want.IsValid() != got.IsValid() {
			return differs()
		}
		return ""
	}
	if want.Type() != got.Type() {
		return fmt.Sprintf("%s: expected the type %s, got %s", path, want.Type(), got.Type())
	}
	if w, ok := instant(want); ok {
		if g, ok := instant(got); ok {
			if w.Equal(g) {
				return ""
			}
			return differs()
		}
	}
	switch want.Kind() {
	case reflect.Interface, reflect.Pointer:
		if want.IsNil() || got.IsNil() {
			if want.IsNil() != got.IsNil() {
				return differs()
			}
			return ""
		}
		return diff(path, want.Elem(), got.Elem())
	case reflect.Struct:
		for i := range want.NumField() {
			if d := diff(path+"."+want.Type().Field(i).Name, want.Field(i), got.Field(i)); d != "" {
				return d
			}
		}
		return ""
	case reflect.Slice, reflect.Array:
		for i := range min(want.Len(), got.Len()) {
			if d := diff(fmt.Sprintf("%s[%d]", path, i), want.Index(i), got.Index(i)); d != "" {
				return d
			}
		}
		if want.Len() != got.Len() {
			return fmt.Sprintf("%s: expected %d elements, got %d", path, want.Len(), got.Len())
		}
		return ""
	case reflect.Map:
		return diffMaps(path, want, got)
	case reflect.Func:
		if want.IsNil() != got.IsNil() {
			return differs()
		}
		return "" // functions cannot be compared
	case reflect.Float32, reflect.Float64:
		// two NaN are the same answer
		if w, g := want.Float(), got.Float(); w != g && (w == w || g == g) {
			return differs()
		}
		return ""
	default:
		if !want.Equal(got) {
			return differs()
		}
		return ""
	}
}

func diffMaps(path string, want, got reflect.Value) string {
	// In the order of the printed keys, so that the same difference always gives the same message.
	for _, m := range []reflect.Value{want, got} {
		keys := map[string]reflect.Value{}
		for _, k := range m.MapKeys() {
			keys[render(k)] = k
		}
		for _, name := range slices.Sorted(maps.Keys(keys)) {
			inner := fmt.Sprintf("%s[%s]", path, name)
			w, g := want.MapIndex(keys[name]), got.MapIndex(keys[name])
			switch {
			case !w.IsValid():
				return inner + ": expected no such entry"
			case !g.IsValid():
				return inner + ": expected an entry, got none"
			}
			if d := diff(inner, w, g); d != "" {
				return d
			}
		}
	}
	return ""
}

// lists returns the first difference between two lists; noun names their items.
func lists[T any](noun string, want, got []T) string {
	for i := range min(len(want), len(got)) {
		if d := difference(fmt.Sprintf("%s %d", noun, i+1), want[i], got[i]); d != "" {
			return d
		}
	}
	switch {
	case len(want) > len(got):
		return fmt.Sprintf("%s %d: expected %s, got none", noun, len(got)+1, text(want[len(got)]))
	case len(want) < len(got):
		return fmt.Sprintf("%s %d: expected none, got %s", noun, len(want)+1, text(got[len(want)]))
	}
	return ""
}
