package avro

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strconv"
	"time"
)

// AppendJSON appends the canonical bytes of a JSON value, which is known to be sound JSON. The
// rules are strict, so that nothing is lost or guessed:
//   - int and long are whole numbers in range, written without fraction and exponent (1.0 and 1e3
//     are refused), float and double any number in range
//   - bytes are base64, an enum is one of its symbols, timestamp-micros an RFC 3339 time with at
//     most six decimals, date an ISO date
//   - null stands only where the union has it; a field without a default must be there; an unknown
//     or repeated one must not
func (t *Type) AppendJSON(dst, value []byte) ([]byte, *Fault) {
	switch t.Kind {
	case Union:
		if other, null, ok := t.Nullable(); ok {
			if value[0] == 'n' {
				return AppendLong(dst, int64(null)), nil
			}
			return other.AppendJSON(AppendLong(dst, int64(1-null)), value)
		}
	case Boolean:
		if value[0] == 't' || value[0] == 'f' {
			return AppendBool(dst, value[0] == 't'), nil
		}
	case Int, Long:
		return t.appendNumber(dst, value)
	case Float, Double:
		return t.appendFloat(dst, value)
	case String, Bytes, Enum:
		return t.appendText(dst, value)
	case Array:
		if value[0] == '[' {
			return t.appendArray(dst, value)
		}
	case Map:
		if value[0] == '{' {
			return t.appendMap(dst, value)
		}
	case Record:
		if value[0] == '{' {
			return t.appendRecord(dst, value)
		}
	}
	return dst, t.Mismatch(value)
}

// expected describes a value of the type in JSON, in words.
func (t *Type) expected() string {
	switch t.Kind {
	case Boolean:
		return "true or false"
	case Int, Long:
		switch t.Logical {
		case TimestampMicros:
			return `a time such as "2026-01-31T12:00:00.000001Z"`
		case Date:
			return `a date such as "2026-01-31"`
		}
		return "a whole number"
	case Float, Double:
		return "a number"
	case Bytes:
		return "a string in base64"
	case Array:
		return "an array"
	case Map, Record:
		return "an object"
	}
	return "a string"
}

func (t *Type) Mismatch(value []byte) *Fault {
	return Faultf("must be %s, not %s", t.expected(), DescribeJSON(value))
}

func (t *Type) appendNumber(dst, value []byte) ([]byte, *Fault) {
	if t.Logical != "" {
		return t.appendTime(dst, value)
	}
	if value[0] != '-' && (value[0] < '0' || value[0] > '9') {
		return dst, t.Mismatch(value)
	}
	if bytes.ContainsAny(value, ".eE") {
		return dst, Faultf("must be a whole number, written without fraction and exponent")
	}
	bits := 64
	if t.Kind == Int {
		bits = 32
	}
	n, err := strconv.ParseInt(string(value), 10, bits)
	if err != nil {
		return dst, Faultf("must be between %d and %d", int64(-1)<<(bits-1), int64(math.MaxInt64)>>(64-bits))
	}
	return AppendLong(dst, n), nil
}

func (t *Type) appendTime(dst, value []byte) ([]byte, *Fault) {
	if value[0] != '"' {
		return dst, t.Mismatch(value)
	}
	text, err := Unquote(value)
	if err != nil {
		return dst, Faultf("%v", err)
	}
	var at time.Time
	if len(text) == len(time.DateOnly) && t.Logical == Date {
		at, err = time.Parse(time.DateOnly, string(text))
	} else {
		at, err = parseTime(text)
	}
	if err != nil || at.UTC().Year() < 1 || at.UTC().Year() > 9999 {
		return dst, Faultf("must be %s", t.expected())
	}
	if t.Logical == TimestampMicros {
		if at.Nanosecond()%1000 != 0 {
			return dst, Faultf("must have at most six decimals of a second")
		}
		return AppendLong(dst, at.UnixMicro()), nil
	}
	seconds := at.Unix()
	if seconds%86400 != 0 || at.Nanosecond() != 0 {
		return dst, Faultf("must be %s, without a time of day", t.expected())
	}
	return AppendLong(dst, seconds/86400), nil
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

func (t *Type) appendFloat(dst, value []byte) ([]byte, *Fault) {
	if value[0] != '-' && (value[0] < '0' || value[0] > '9') {
		return dst, t.Mismatch(value)
	}
	bits := 64
	if t.Kind == Float {
		bits = 32
	}
	f, err := strconv.ParseFloat(string(value), bits)
	if err != nil {
		return dst, Faultf("is beyond the range of a %s", t.Kind)
	}
	if bits == 32 {
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(f))), nil
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), nil
}

func (t *Type) appendText(dst, value []byte) ([]byte, *Fault) {
	if value[0] != '"' {
		return dst, t.Mismatch(value)
	}
	text, err := Unquote(value)
	if err != nil {
		return dst, Faultf("%v", err)
	}
	switch t.Kind {
	case Enum:
		i := slices.Index(t.Symbols, string(text))
		if i < 0 {
			return dst, Faultf("must be one of %v", t.Symbols)
		}
		return AppendLong(dst, int64(i)), nil
	case Bytes:
		decoded, err := base64.StdEncoding.Strict().DecodeString(string(text))
		if err != nil || bytes.ContainsAny(text, "\r\n") {
			return dst, Faultf("must be a string in base64")
		}
		return AppendBytes(dst, decoded), nil
	}
	return AppendBytes(dst, text), nil
}

func (t *Type) appendArray(dst, value []byte) ([]byte, *Fault) {
	mark, n := len(dst), 0
	var f *Fault
	for item := range elements(value) {
		if dst, f = t.Items.AppendJSON(dst, item); f != nil {
			return dst, f.In("[" + strconv.Itoa(n) + "]")
		}
		n++
	}
	return CloseBlock(dst, mark, n), nil
}

func (t *Type) appendMap(dst, value []byte) ([]byte, *Fault) {
	var entries []entry
	for quoted, member := range Members(value) {
		key, err := Unquote(quoted)
		if err != nil {
			return dst, Faultf("has a key that %v", err)
		}
		item, f := t.Values.AppendJSON(AppendBytes(nil, key), member)
		if f != nil {
			return dst, f.In(string(key))
		}
		entries = append(entries, entry{key: key, all: item})
	}
	mark := len(dst)
	dst, twice := appendEntries(dst, entries)
	if twice != nil {
		return dst, Faultf("appears twice").In(string(twice))
	}
	return CloseBlock(dst, mark, len(entries)), nil
}

func (t *Type) appendRecord(dst, value []byte) ([]byte, *Fault) {
	var few [16][]byte
	values := few[:]
	if len(t.Fields) > len(few) {
		values = make([][]byte, len(t.Fields))
	}
	for quoted, member := range Members(value) {
		key, err := Unquote(quoted)
		if err != nil {
			return dst, Faultf("has a field whose name %v", err)
		}
		i := slices.IndexFunc(t.Fields, func(f Field) bool { return f.Name == string(key) })
		switch {
		case i < 0:
			return dst, Faultf("is not a field of %s", t.ShortName()).In(Clip(string(key)))
		case values[i] != nil:
			return dst, Faultf("appears twice").In(t.Fields[i].Name)
		}
		values[i] = member
	}
	for i := range t.Fields {
		field := &t.Fields[i]
		if values[i] == nil {
			if !field.HasDefault {
				return dst, Faultf("is missing").In(field.Name)
			}
			dst = append(dst, field.Unsaid...)
			continue
		}
		var f *Fault
		if dst, f = field.Type.AppendJSON(dst, values[i]); f != nil {
			return dst, f.In(field.Name)
		}
	}
	return dst, nil
}
