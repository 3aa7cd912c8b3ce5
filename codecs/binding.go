package codecs

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"

	"github.com/hamba/avro/v2"

	"github.com/foldlog/foldlog/schemas"
)

// maxItems bounds the items of one array. The bytes that reach the library have passed a converter,
// which lets no count pass that the bytes do not bear out; this is the second guard.
const maxItems = 1 << 22

// newAPI returns the library's configuration: a domain's structs have one set of tags, arrays and
// maps are one block without a size, and no length is believed beyond the largest record. There is
// one API for each topic: the library caches codecs by a schema's fingerprint and a Go type, and
// one topic's must not be another's.
func newAPI(maxBytes int) avro.API {
	return avro.Config{
		TagKey:                 "json",
		BlockLength:            1 << 30,
		DisableBlockSizeHeader: true,
		UnionResolutionError:   true,
		MaxByteSliceSize:       maxBytes,
		MaxSliceAllocSize:      maxItems,
	}.Freeze()
}

// parseAvro parses a schema for the library, apart from its shared cache of names.
func parseAvro(s schemas.Schema) (avro.Schema, error) {
	return avro.ParseWithCache(s.Text, "", &avro.SchemaCache{})
}

// deref returns what a reference to a named type refers to.
func deref(s avro.Schema) avro.Schema {
	if ref, ok := s.(*avro.RefSchema); ok {
		return ref.Schema()
	}
	return s
}

// binding reads and writes the values of one Go struct by one Avro record.
type binding struct {
	api    avro.API
	schema avro.Schema
	// record is the record's type without retired fields, full with them.
	record, full *schemas.Type
	typ          reflect.Type
	// check is the plan from the record to the full one: what was encoded must be acceptable, and
	// becomes canonical; retired fields are added.
	check *plan
	// parts is the plan from the full record to itself, today the one from it to the record.
	parts, today *plan
	json         *jsonPlan
	// bytes is true where the struct has []byte fields, which need clipping.
	bytes bool

	readers, writers, scratch sync.Pool
}

// newBinding binds a Go type to a record. The schema is the record's for the library, without
// retired fields.
func newBinding(api avro.API, schema avro.Schema, full *schemas.Type, typ reflect.Type) (*binding, error) {
	record := full.Current()
	check, err := compile(record, full)
	if err != nil {
		return nil, err
	}
	parts, err := compile(full, full)
	if err != nil {
		return nil, err
	}
	today, err := compile(full, record)
	if err != nil {
		return nil, err
	}
	jsonPlan, err := compileJSON(record)
	if err != nil {
		return nil, err
	}
	b := &binding{api: api, schema: schema, record: record, full: full, typ: typ, check: check, parts: parts, today: today, json: jsonPlan, bytes: hasBytes(record)}
	b.readers.New = func() any { return avro.NewReader(nil, 0, avro.WithReaderConfig(api)) }
	b.writers.New = func() any { return avro.NewWriter(nil, 512, avro.WithWriterConfig(api)) }
	b.scratch.New = func() any {
		pointer := reflect.New(typ)
		return &scratch{value: pointer.Elem(), pointer: pointer.Interface()}
	}
	return b, nil
}

// scratch is a struct to decode into. What is returned is a copy of it.
type scratch struct {
	value   reflect.Value
	pointer any
}

// decode returns the struct that canonical bytes describe. The bytes are not kept.
func (b *binding) decode(body []byte) (value any, err error) {
	s := b.scratch.Get().(*scratch)
	defer func() {
		if p := recover(); p != nil {
			value, err = nil, fmt.Errorf("%s: the decoder panicked: %v", b.record.ShortName(), p)
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
		return nil, fmt.Errorf("%s: %w", b.record.ShortName(), err)
	}
	if r.Peek(); !errors.Is(r.Error, io.EOF) {
		return nil, fmt.Errorf("%s: not all bytes were read", b.record.ShortName())
	}
	r.Reset(nil)
	b.readers.Put(r)
	if b.bytes {
		clipBytes(s.value)
	}
	return s.value.Interface(), nil
}

// append appends the canonical bytes of a struct.
func (b *binding) append(dst []byte, value any) (out []byte, err error) {
	if reflect.TypeOf(value) != b.typ {
		return dst, fmt.Errorf("%s: the value is a %T, not a %s", b.record.ShortName(), value, b.typ)
	}
	defer func() {
		if p := recover(); p != nil {
			out, err = dst, fmt.Errorf("%s: the encoder panicked: %v", b.record.ShortName(), p)
		}
	}()
	w := b.writers.Get().(*avro.Writer)
	w.Reset(nil)
	w.Error = nil
	w.WriteVal(b.schema, value)
	if w.Error != nil {
		return dst, fmt.Errorf("%s: %w", b.record.ShortName(), w.Error)
	}
	c := newConverter(w.Buffer())
	defer c.release()
	c.run(b.check)
	if err := c.finish(); err != nil {
		return dst, fmt.Errorf("%s: what was encoded cannot be read: %w", b.record.ShortName(), err)
	}
	if c.fault != nil {
		return dst, fmt.Errorf("%s: %w", b.record.ShortName(), c.fault)
	}
	dst = append(dst, c.dst...)
	b.writers.Put(w)
	return dst, nil
}

// hasBytes reports whether a type holds bytes anywhere.
func hasBytes(t *schemas.Type) bool {
	switch t.Kind {
	case schemas.Bytes:
		return true
	case schemas.Array:
		return hasBytes(t.Items)
	case schemas.Map:
		return hasBytes(t.Values)
	case schemas.Union:
		for _, b := range t.Branches {
			if hasBytes(b) {
				return true
			}
		}
	case schemas.Record:
		for _, f := range t.Fields {
			if hasBytes(f.Type) {
				return true
			}
		}
	}
	return false
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
