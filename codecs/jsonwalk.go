package codecs

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/foldlog/foldlog/schemas"
)

// jsonPlan says how JSON becomes the canonical bytes of a type: the type with the bytes of its
// defaults.
type jsonPlan struct {
	t      *schemas.Type
	fields []jsonField
	inner  *jsonPlan // array items, map values, the branch of a nullable union that is not null
	null   int       // the index of null in a nullable union
}

type jsonField struct {
	name       string
	plan       *jsonPlan
	missing    []byte // the default's bytes
	hasDefault bool
}

// compileJSON returns the plan for a type of a domain's record: unions are of null and one other
// type.
func compileJSON(t *schemas.Type) (*jsonPlan, error) {
	return compileJSONOnce(t, map[*schemas.Type]*jsonPlan{})
}

func compileJSONOnce(t *schemas.Type, done map[*schemas.Type]*jsonPlan) (*jsonPlan, error) {
	if p := done[t]; p != nil {
		return p, nil
	}
	p := &jsonPlan{t: t}
	done[t] = p
	var err error
	switch t.Kind {
	case schemas.Array:
		p.inner, err = compileJSONOnce(t.Items, done)
	case schemas.Map:
		p.inner, err = compileJSONOnce(t.Values, done)
	case schemas.Union:
		other, null, ok := t.Nullable()
		if !ok {
			return nil, fmt.Errorf("%s: a union must be of null and one other type", t.Describe())
		}
		p.null = null
		p.inner, err = compileJSONOnce(other, done)
	case schemas.Record:
		for i := range t.Fields {
			f := &t.Fields[i]
			field := jsonField{name: f.Name, hasDefault: f.HasDefault}
			if field.plan, err = compileJSONOnce(f.Type, done); err != nil {
				return nil, err
			}
			if f.HasDefault {
				if field.missing, err = appendDefault(nil, f.Type, f.Default); err != nil {
					return nil, fmt.Errorf("default of field %s.%s: %w", t.ShortName(), f.Name, err)
				}
			}
			p.fields = append(p.fields, field)
		}
	}
	return p, err
}

// appendJSON appends the canonical bytes of a JSON value, which is known to be sound JSON. The
// rules are strict, so that nothing is lost or guessed:
//   - int and long are whole numbers in range, written without fraction and exponent (1.0 and 1e3
//     are refused), float and double any number in range
//   - bytes are base64, an enum is one of its symbols, timestamp-micros an RFC 3339 time with at
//     most six decimals, date an ISO date
//   - null stands only where the union has it; a field without a default must be there; an unknown
//     or repeated one must not
func (p *jsonPlan) appendJSON(dst, value []byte) ([]byte, *fault) {
	switch p.t.Kind {
	case schemas.Union:
		if value[0] == 'n' {
			return appendLong(dst, int64(p.null)), nil
		}
		return p.inner.appendJSON(appendLong(dst, int64(1-p.null)), value)
	case schemas.Boolean:
		if value[0] == 't' || value[0] == 'f' {
			return appendBool(dst, value[0] == 't'), nil
		}
	case schemas.Int, schemas.Long:
		return p.appendNumber(dst, value)
	case schemas.Float, schemas.Double:
		return p.appendFloat(dst, value)
	case schemas.String, schemas.Bytes, schemas.Enum:
		return p.appendText(dst, value)
	case schemas.Array:
		if value[0] == '[' {
			return p.appendArray(dst, value)
		}
	case schemas.Map:
		if value[0] == '{' {
			return p.appendMap(dst, value)
		}
	case schemas.Record:
		if value[0] == '{' {
			return p.appendRecord(dst, value)
		}
	}
	return dst, p.mismatch(value)
}

// expected says in words what a value of the type looks like in JSON.
func (p *jsonPlan) expected() string {
	switch p.t.Kind {
	case schemas.Boolean:
		return "true or false"
	case schemas.Int, schemas.Long:
		switch p.t.Logical {
		case schemas.TimestampMicros:
			return `a time such as "2026-01-31T12:00:00.000001Z"`
		case schemas.Date:
			return `a date such as "2026-01-31"`
		}
		return "a whole number"
	case schemas.Float, schemas.Double:
		return "a number"
	case schemas.Bytes:
		return "a string in base64"
	case schemas.Array:
		return "an array"
	case schemas.Map, schemas.Record:
		return "an object"
	}
	return "a string"
}

func (p *jsonPlan) mismatch(value []byte) *fault {
	return faultf("must be %s, not %s", p.expected(), describeJSON(value))
}

func faultf(format string, args ...any) *fault { return &fault{message: fmt.Sprintf(format, args...)} }

// in puts a name before the fault's path.
func (f *fault) in(name string) *fault {
	switch {
	case f.path == "":
		f.path = name
	case f.path[0] == '[':
		f.path = name + f.path
	default:
		f.path = name + "." + f.path
	}
	return f
}

func (p *jsonPlan) appendNumber(dst, value []byte) ([]byte, *fault) {
	if p.t.Logical != "" {
		return p.appendTime(dst, value)
	}
	if value[0] != '-' && (value[0] < '0' || value[0] > '9') {
		return dst, p.mismatch(value)
	}
	if bytes.ContainsAny(value, ".eE") {
		return dst, faultf("must be a whole number, written without fraction and exponent")
	}
	bits := 64
	if p.t.Kind == schemas.Int {
		bits = 32
	}
	n, err := strconv.ParseInt(string(value), 10, bits)
	if err != nil {
		return dst, faultf("must be between %d and %d", int64(-1)<<(bits-1), int64(math.MaxInt64)>>(64-bits))
	}
	return appendLong(dst, n), nil
}

func (p *jsonPlan) appendTime(dst, value []byte) ([]byte, *fault) {
	if value[0] != '"' {
		return dst, p.mismatch(value)
	}
	text, err := unquote(value)
	if err != nil {
		return dst, faultf("%v", err)
	}
	var t time.Time
	if len(text) == len(time.DateOnly) && p.t.Logical == schemas.Date {
		t, err = time.Parse(time.DateOnly, string(text))
	} else {
		t, err = parseTime(text)
	}
	if err != nil || t.UTC().Year() < 1 || t.UTC().Year() > 9999 {
		return dst, faultf("must be %s", p.expected())
	}
	if p.t.Logical == schemas.TimestampMicros {
		if t.Nanosecond()%1000 != 0 {
			return dst, faultf("must have at most six decimals of a second")
		}
		return appendLong(dst, t.UnixMicro()), nil
	}
	seconds := t.Unix()
	if seconds%86400 != 0 || t.Nanosecond() != 0 {
		return dst, faultf("must be %s, without a time of day", p.expected())
	}
	return appendLong(dst, seconds/86400), nil
}

var errNoTime = errors.New("is no RFC 3339 time")

// parseTime parses an RFC 3339 time. The standard library would also take an hour of one digit, a
// comma in the fraction and offsets beyond a day.
func parseTime(text []byte) (time.Time, error) {
	const shortest = len("2006-01-02T15:04:05Z")
	if len(text) < shortest || text[13] != ':' || bytes.IndexByte(text, ',') >= 0 {
		return time.Time{}, errNoTime
	}
	if n := len(text); text[n-1] != 'Z' && (string(text[n-5:n-3]) > "23" || string(text[n-2:]) > "59") {
		return time.Time{}, errNoTime
	}
	return time.Parse(time.RFC3339, string(text))
}

func (p *jsonPlan) appendFloat(dst, value []byte) ([]byte, *fault) {
	if value[0] != '-' && (value[0] < '0' || value[0] > '9') {
		return dst, p.mismatch(value)
	}
	bits := 64
	if p.t.Kind == schemas.Float {
		bits = 32
	}
	f, err := strconv.ParseFloat(string(value), bits)
	if err != nil {
		return dst, faultf("is beyond the range of a %s", p.t.Kind)
	}
	if bits == 32 {
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(f))), nil
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), nil
}

func (p *jsonPlan) appendText(dst, value []byte) ([]byte, *fault) {
	if value[0] != '"' {
		return dst, p.mismatch(value)
	}
	text, err := unquote(value)
	if err != nil {
		return dst, faultf("%v", err)
	}
	switch p.t.Kind {
	case schemas.Enum:
		i := slices.Index(p.t.Symbols, string(text))
		if i < 0 {
			return dst, faultf("must be one of %v", p.t.Symbols)
		}
		return appendLong(dst, int64(i)), nil
	case schemas.Bytes:
		decoded, err := base64.StdEncoding.Strict().DecodeString(string(text))
		if err != nil || bytes.ContainsAny(text, "\r\n") {
			return dst, faultf("must be a string in base64")
		}
		return appendBytes(dst, decoded), nil
	}
	return appendBytes(dst, text), nil
}

func (p *jsonPlan) appendArray(dst, value []byte) ([]byte, *fault) {
	mark, n := len(dst), 0
	var found *fault
	err := elements(value, func(i int, item []byte) error {
		n++
		if dst, found = p.inner.appendJSON(dst, item); found != nil {
			return found.in("[" + strconv.Itoa(i) + "]")
		}
		return nil
	})
	if err != nil {
		return dst, found
	}
	return closeBlock(dst, mark, n), nil
}

func (p *jsonPlan) appendMap(dst, value []byte) ([]byte, *fault) {
	var entries []entry
	var found *fault
	err := members(value, func(quoted, member []byte) error {
		key, err := unquote(quoted)
		if err != nil {
			found = faultf("has a key that %v", err)
			return found
		}
		name := string(key)
		item := appendBytes(nil, key)
		if item, found = p.inner.appendJSON(item, member); found != nil {
			return found.in(name)
		}
		entries = append(entries, entry{key: []byte(name), all: item})
		return nil
	})
	if err != nil {
		return dst, found
	}
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	mark := len(dst)
	for i, e := range entries {
		if i > 0 && bytes.Equal(e.key, entries[i-1].key) {
			return dst, faultf("appears twice").in(string(e.key))
		}
		dst = append(dst, e.all...)
	}
	return closeBlock(dst, mark, len(entries)), nil
}

func (p *jsonPlan) appendRecord(dst, value []byte) ([]byte, *fault) {
	var few [16][]byte
	values := few[:]
	if len(p.fields) > len(few) {
		values = make([][]byte, len(p.fields))
	}
	var found *fault
	err := members(value, func(quoted, member []byte) error {
		i, f := p.field(quoted)
		if f == nil && values[i] != nil {
			f = faultf("appears twice").in(p.fields[i].name)
		}
		if f != nil {
			found = f
			return f
		}
		values[i] = member
		return nil
	})
	if err != nil {
		return dst, found
	}
	for i := range p.fields {
		f := &p.fields[i]
		if values[i] == nil {
			if !f.hasDefault {
				return dst, faultf("is missing").in(f.name)
			}
			dst = append(dst, f.missing...)
			continue
		}
		if dst, found = f.plan.appendJSON(dst, values[i]); found != nil {
			return dst, found.in(f.name)
		}
	}
	return dst, nil
}

func (p *jsonPlan) field(quoted []byte) (int, *fault) {
	key, err := unquote(quoted)
	if err != nil {
		return 0, faultf("has a field whose name %v", err)
	}
	for i := range p.fields {
		if p.fields[i].name == string(key) {
			return i, nil
		}
	}
	return 0, faultf("is not a field of %s", p.t.ShortName()).in(clip(string(key)))
}

// clip shortens what a sender wrote before it is repeated in a message.
func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return string(bytes.ToValidUTF8([]byte(s[:most]), nil)) + "..."
}
