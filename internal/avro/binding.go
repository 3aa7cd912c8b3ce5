package avro

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sync"

	"github.com/hamba/avro/v2"
)

// This file is the library's part: between canonical bytes and Go structs. Nothing else of the
// library is used, and no other file knows it.

// maxItems bounds the items of one array. A converter has already refused counts that the bytes
// cannot hold; this is the second guard.
const maxItems = 1 << 22

// newAPI returns the library's configuration: a domain's structs have one set of tags, arrays and
// maps are one block without a size, and lengths beyond the largest record are refused.
func newAPI(maxBytes int) avro.API {
	return avro.Config{
		TagKey: "json", BlockLength: 1 << 30, DisableBlockSizeHeader: true, UnionResolutionError: true,
		MaxByteSliceSize: maxBytes, MaxSliceAllocSize: maxItems,
	}.Freeze()
}

// Binding reads and writes the values of one Go struct by one Avro record.
type Binding struct {
	// Record is the record's type without retired fields, Full with them.
	Record, Full *Type
	// Complete is the plan from the record to the full one. Parts is the plan from the full record
	// to itself, Current the one from it to the record.
	Complete, Parts, Current *Plan
	// Go is the struct's type.
	Go reflect.Type

	schema avro.Schema
	// bytes is set if the struct has []byte fields, which need clipping.
	bytes bool

	readers, writers, scratch sync.Pool
}

// Bind binds a Go type to a record. Lengths inside beyond maxBytes are refused.
func Bind(full *Type, typ reflect.Type, maxBytes int) (*Binding, error) {
	b := &Binding{Record: full.Current(), Full: full, Go: typ}
	var err error
	for _, p := range []struct {
		plan           **Plan
		writer, reader *Type
	}{{&b.Complete, b.Record, full}, {&b.Parts, full, full}, {&b.Current, full, b.Record}} {
		if *p.plan, err = Compile(p.writer, p.reader); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(b.Record.plain(map[*Type]string{}))
	if err != nil {
		return nil, err
	}
	if b.schema, err = avro.ParseBytesWithCache(text, "", &avro.SchemaCache{}); err != nil {
		return nil, err
	}
	// An API of its own: the library caches codecs by a schema's fingerprint and a Go type.
	api := newAPI(maxBytes)
	b.bytes = b.Record.has(Bytes)
	b.readers.New = func() any { return avro.NewReader(nil, 0, avro.WithReaderConfig(api)) }
	b.writers.New = func() any { return avro.NewWriter(nil, 512, avro.WithWriterConfig(api)) }
	b.scratch.New = func() any {
		pointer := reflect.New(typ)
		return &scratch{value: pointer.Elem(), pointer: pointer.Interface()}
	}
	return b, nil
}

// plain returns the type as a schema in JSON, with only the parts that decide about bytes. Named
// types get names of their own, as the library looks up names without a namespace in the record
// around them.
func (t *Type) plain(names map[*Type]string) any {
	if name := names[t]; name != "" {
		return name
	}
	out := map[string]any{"type": t.Kind.String()}
	if t.Logical != "" {
		out["logicalType"] = t.Logical
	}
	if t.Name != "" {
		names[t] = fmt.Sprintf("%s_%d", t.ShortName(), len(names))
		out["name"] = names[t]
	}
	switch t.Kind {
	case Array:
		out["items"] = t.Items.plain(names)
	case Map:
		out["values"] = t.Values.plain(names)
	case Enum:
		out["symbols"] = t.Symbols
	case Fixed:
		out["size"] = t.Size
	case Union:
		branches := []any{}
		for _, b := range t.Branches {
			branches = append(branches, b.plain(names))
		}
		return branches
	case Record:
		fields := []any{}
		for _, f := range t.Fields {
			fields = append(fields, map[string]any{"name": f.Name, "type": f.Type.plain(names)})
		}
		out["fields"] = fields
	}
	return out
}

// scratch is a struct to decode into. Callers get a copy of it.
type scratch struct {
	value   reflect.Value
	pointer any
}

// Decode returns the struct that canonical bytes describe. The bytes are not kept.
func (b *Binding) Decode(body []byte) (value any, err error) {
	s := b.scratch.Get().(*scratch)
	defer func() {
		if p := recover(); p != nil {
			value, err = nil, fmt.Errorf("%s: the decoder panicked: %v", b.Record.ShortName(), p)
			return // neither scratch nor reader goes back
		}
		s.value.SetZero() // or the next value would share its slices and pointers
		b.scratch.Put(s)
	}()
	r := b.readers.Get().(*avro.Reader)
	r.Reset(body)
	r.Error = nil
	r.ReadVal(b.schema, s.pointer)
	if err = r.Error; err != nil { // io.EOF, too: nothing may be missing
		return nil, fmt.Errorf("%s: %w", b.Record.ShortName(), err)
	}
	if r.Peek(); !errors.Is(r.Error, io.EOF) {
		return nil, fmt.Errorf("%s: not all bytes were read", b.Record.ShortName())
	}
	r.Reset(nil)
	b.readers.Put(r)
	if b.bytes {
		clipBytes(s.value)
	}
	return s.value.Interface(), nil
}

// Append appends the canonical bytes of a struct, retired fields included.
func (b *Binding) Append(dst []byte, value any) (out []byte, err error) {
	if reflect.TypeOf(value) != b.Go {
		return dst, fmt.Errorf("%s: the value is a %T, not a %s", b.Record.ShortName(), value, b.Go)
	}
	defer func() {
		if p := recover(); p != nil {
			out, err = dst, fmt.Errorf("%s: the encoder panicked: %v", b.Record.ShortName(), p)
		}
	}()
	w := b.writers.Get().(*avro.Writer)
	w.Reset(nil)
	w.Error = nil
	w.WriteVal(b.schema, value)
	if w.Error != nil {
		return dst, fmt.Errorf("%s: %w", b.Record.ShortName(), w.Error)
	}
	if dst, err = b.AppendChecked(dst, w.Buffer()); err == nil {
		b.writers.Put(w)
	}
	return dst, err
}

// AppendChecked appends the canonical bytes of already encoded fields: a reader must be able to
// accept them, and the retired fields are added.
func (b *Binding) AppendChecked(dst, body []byte) ([]byte, error) {
	out, err := b.Complete.Append(dst, body)
	if err == nil {
		return out, nil
	}
	if fault := new(Fault); errors.As(err, &fault) {
		return dst, fmt.Errorf("%s: %w", b.Record.ShortName(), err)
	}
	return dst, fmt.Errorf("%s: what was encoded cannot be read: %w", b.Record.ShortName(), err)
}

// has reports whether a type is of a kind or holds one that is.
func (t *Type) has(kind Kind) bool {
	within := func(inner *Type) bool { return inner != nil && inner.has(kind) }
	return t.Kind == kind || within(t.Items) || within(t.Values) || slices.ContainsFunc(t.Branches, within) ||
		slices.ContainsFunc(t.Fields, func(f Field) bool { return within(f.Type) })
}

var byteSlice = reflect.TypeFor[[]byte]()

// clipBytes limits the capacity of every []byte to its length. The library cuts them from one
// block, so that appending to one would overwrite its neighbours.
func clipBytes(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		if v.Type().ConvertibleTo(byteSlice) {
			if !v.IsNil() && v.CanSet() {
				v.SetCap(v.Len())
			}
			return
		}
		for i := range v.Len() {
			clipBytes(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			clipBytes(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			clipBytes(v.Field(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			item := reflect.New(v.Type().Elem()).Elem()
			item.Set(v.MapIndex(key))
			clipBytes(item)
			v.SetMapIndex(key, item)
		}
	}
}
