package avro

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

var (
	timeType        = reflect.TypeFor[time.Time]()
	jsonMarshaler   = reflect.TypeFor[json.Marshaler]()
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// MatchGo returns every way in which a Go type and an Avro type differ. The library would drop
// such a field without a word.
func MatchGo(where string, goType reflect.Type, t *Type) (problems []string) {
	add := func(format string, args ...any) { problems = append(problems, where+": "+fmt.Sprintf(format, args...)) }
	if other, null, ok := t.Nullable(); ok {
		switch {
		case goType.Kind() != reflect.Pointer:
			add("Avro may have null, so the Go type must be a pointer, not %s", goType)
		case null != 0:
			add("put null first in the union, so that null can be the default")
		default:
			problems = append(problems, MatchGo(where, goType.Elem(), other)...)
		}
		return problems
	}
	if goType != timeType {
		for _, own := range []reflect.Type{jsonMarshaler, jsonUnmarshaler, textMarshaler, textUnmarshaler} {
			if goType.Implements(own) || reflect.PointerTo(goType).Implements(own) {
				add("the Go type %s has its own %s, so its JSON and its Avro could say different things", goType, own.Method(0).Name)
				return problems
			}
		}
	}
	switch t.Kind {
	case Record:
		if goType.Kind() != reflect.Struct || goType == timeType {
			add("Avro has %s, so the Go type must be a struct, not %s", t.Describe(), goType)
			return problems
		}
		return append(problems, matchStruct(where, goType, t)...)
	case Array:
		if goType.Kind() != reflect.Slice {
			add("Avro has an array, so the Go type must be a slice, not %s", goType)
			return problems
		}
		return append(problems, MatchGo(where+"[]", goType.Elem(), t.Items)...)
	case Map:
		if goType.Kind() != reflect.Map || goType.Key() != reflect.TypeFor[string]() {
			add("Avro has a map, so the Go type must be a map with string keys, not %s", goType)
			return problems
		}
		return append(problems, MatchGo(where+"{}", goType.Elem(), t.Values)...)
	}
	if wanted, ok := matchPrimitive(goType, t); !ok {
		add("Avro has %s, so the Go type must be %s, not %s", t.Describe(), wanted, goType)
	}
	return problems
}

// matchPrimitive reports whether a Go type takes every value of an Avro type and no others.
// Otherwise it returns the wanted type.
func matchPrimitive(goType reflect.Type, t *Type) (wanted string, ok bool) {
	kind := goType.Kind()
	switch {
	case t.Logical != "":
		return "time.Time", goType == timeType
	case t.Kind == Boolean:
		return "bool", kind == reflect.Bool
	case t.Kind == Int:
		return "int32", kind == reflect.Int32
	case t.Kind == Long:
		return "int64", kind == reflect.Int64 && goType != reflect.TypeFor[time.Duration]()
	case t.Kind == Float:
		return "float32", kind == reflect.Float32
	case t.Kind == Double:
		return "float64", kind == reflect.Float64
	case t.Kind == Bytes:
		return "[]byte", goType == byteSlice
	case t.Kind == String || t.Kind == Enum:
		return "string", kind == reflect.String
	}
	return "a type of a supported schema", false
}

func matchStruct(where string, goType reflect.Type, t *Type) (problems []string) {
	add := func(format string, args ...any) { problems = append(problems, where+": "+fmt.Sprintf(format, args...)) }
	found := map[string]bool{}
	for i := range goType.NumField() {
		f := goType.Field(i)
		name, options, tagged := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			add("%s embeds %s; write its fields out", goType, f.Name)
			continue
		case !f.IsExported():
			add("%s.%s is not exported, so it would be lost", goType, f.Name)
			continue
		case name == "" || name == "-":
			add("%s.%s has no name in its json tag, so it would be lost", goType, f.Name)
			continue
		case tagged && options != "omitempty" && options != "omitzero":
			add("%s.%s: the json tag's option %q is not supported", goType, f.Name, options)
		case found[name]:
			add("%s has two fields tagged %q", goType, name)
		}
		found[name] = true
		avroField := t.Field(name)
		if avroField == nil {
			add("%s.%s is not in the Avro record %s, so it would be lost; add the field %q in a new version of the schema", goType, f.Name, t.Name, name)
			continue
		}
		problems = append(problems, MatchGo(where+"."+name, f.Type, avroField.Type)...)
	}
	for i := range t.Fields {
		if !found[t.Fields[i].Name] {
			add("Avro field %q of record %s has no Go field in %s, so it would be lost", t.Fields[i].Name, t.Name, goType)
		}
	}
	return problems
}
