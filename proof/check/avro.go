package check

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/linkedin/goavro/v2"
)

// schemaBook has the schemas of the registry as the run's dump has them.
type schemaBook struct {
	texts   map[int]string
	writers map[int]*writer
}

// writer is a schema that values were written with.
type writer struct {
	codec *goavro.Codec
	// fingerprint is the SHA-256 of the schema's Parsing Canonical Form.
	fingerprint [32]byte
	err         error
}

func newSchemaBook(texts map[int]string) *schemaBook {
	return &schemaBook{texts: texts, writers: map[int]*writer{}}
}

func (b *schemaBook) writer(id int) *writer {
	if w := b.writers[id]; w != nil {
		return w
	}
	w := &writer{}
	b.writers[id] = w
	text, known := b.texts[id]
	if !known {
		w.err = fmt.Errorf("schema id %d is not in the registry", id)
		return w
	}
	if w.codec, w.err = goavro.NewCodec(text); w.err != nil {
		return w
	}
	canonical, err := canonicalForm(text)
	w.fingerprint, w.err = sha256.Sum256([]byte(canonical)), err
	return w
}

// decode reads a value in Confluent's wire format: zero, four bytes of schema id, the body.
func (b *schemaBook) decode(value []byte) (fields map[string]any, w *writer, err error) {
	if len(value) < 5 || value[0] != 0 {
		return nil, nil, errors.New("not in Confluent's wire format")
	}
	w = b.writer(int(binary.BigEndian.Uint32(value[1:5])))
	if w.err != nil {
		return nil, w, w.err
	}
	defer func() { // the library trusts what lengths claim in some places
		if cause := recover(); cause != nil {
			err = fmt.Errorf("cannot be decoded: %v", cause)
		}
	}()
	native, rest, err := w.codec.NativeFromBinary(value[5:])
	if err != nil {
		return nil, w, err
	}
	if len(rest) > 0 {
		return nil, w, fmt.Errorf("%d bytes after its end", len(rest))
	}
	fields, ok := native.(map[string]any)
	if !ok {
		return nil, w, errors.New("not a record")
	}
	return fields, w, nil
}

// avroFields reads fields of a decoded record and notes the first one that is missing or of another
// type.
type avroFields struct {
	fields map[string]any
	err    error
}

func (a *avroFields) fail(name string) {
	if a.err == nil {
		a.err = fmt.Errorf("field %s is missing or has another type", name)
	}
}

func (a *avroFields) text(name string) string {
	s, ok := a.fields[name].(string)
	if !ok {
		a.fail(name)
	}
	return s
}

// optional returns the text of a nullable field; ok is false for null.
func (a *avroFields) optional(name string) (s string, ok bool) {
	switch v := a.fields[name].(type) {
	case nil:
		return "", false
	case map[string]any:
		if s, ok = v["string"].(string); ok {
			return s, true
		}
	}
	a.fail(name)
	return "", false
}

func (a *avroFields) long(name string) int64 {
	switch v := a.fields[name].(type) {
	case int64:
		return v
	case int32:
		return int64(v)
	case time.Time:
		return v.UnixMicro()
	}
	a.fail(name)
	return 0
}

func (a *avroFields) flag(name string) bool {
	b, ok := a.fields[name].(bool)
	if !ok {
		a.fail(name)
	}
	return b
}

func (a *avroFields) bytes(name string) []byte {
	b, ok := a.fields[name].([]byte)
	if !ok {
		a.fail(name)
	}
	return b
}

// branch returns the name, without its namespace, and the fields of a union of records.
func (a *avroFields) branch(name string) (string, map[string]any) {
	if union, ok := a.fields[name].(map[string]any); ok {
		for branch, value := range union {
			if fields, ok := value.(map[string]any); ok {
				return shortName(branch), fields
			}
		}
	}
	a.fail(name)
	return "", nil
}

// payload reads the fields of a command or event. A field that a command's older schema lacks has
// its zero value.
func (a *avroFields) payload(fields []field) (p payload) {
	now, err := today(a.fields)
	if err != nil && a.err == nil {
		a.err = err
	}
	if err != nil {
		return p
	}
	a.fields = now
	for _, f := range fields {
		if _, has := a.fields[f.name]; !has && f.optional {
			p.leaveOut(f)
			continue
		}
		switch f.form {
		case number:
			*p.numberAt(f.name) = a.long(f.name)
		case optionalText:
			*p.textAt(f.name), p.booked = a.optional(f.name)
		default:
			*p.textAt(f.name) = a.text(f.name)
		}
	}
	return p
}
