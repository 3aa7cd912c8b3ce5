package avro

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
	"unicode/utf8"
)

// converter reads bytes by a plan and writes canonical bytes of the reader's type: shortest
// numbers, one block for an array or map, entries of a map sorted by key. It trusts no claim of the
// bytes. It stops at the first part that cannot be a value (err). It notes the first value that is
// sound but not acceptable (fault) and reads on.
type converter struct {
	src   []byte
	pos   int
	dst   []byte
	err   error
	fault *Fault
	// steps bounds the work: types of no bytes (null, empty records) can be repeated without end
	// otherwise.
	steps    int
	skipping int // within something that is thrown away: its faults do not matter
	parts    Parts
	written  []byte // a record's fields while they are put into order
}

var (
	errTruncated = errors.New("ends in the middle of a value")
	errTooMuch   = errors.New("describes more values than its size can justify")
)

var converters = sync.Pool{New: func() any { return &converter{dst: make([]byte, 0, 1024)} }}

// maxPooled is the largest buffer that is kept for the next use.
const maxPooled = 64 << 10

func newConverter(src []byte) *converter {
	c := converters.Get().(*converter)
	c.src, c.pos, c.dst, c.err, c.fault, c.skipping = src, 0, c.dst[:0], nil, nil, 0
	c.steps = 1<<12 + 16*len(src)
	return c
}

// release gives the buffers back. Pointers into them must not be used afterwards.
func (c *converter) release() {
	c.src = nil
	c.parts.reset()
	if cap(c.dst) > maxPooled {
		c.dst, c.written = make([]byte, 0, 1024), nil
	}
	converters.Put(c)
}

// finish returns the error after the whole value should have been read.
func (c *converter) finish() error {
	if c.err == nil && c.pos != len(c.src) {
		c.err = fmt.Errorf("has %d bytes after its end", len(c.src)-c.pos)
	}
	return c.err
}

func (c *converter) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *converter) refuse(newer bool, format string, args ...any) {
	if c.fault == nil && c.skipping == 0 {
		c.fault = &Fault{Message: fmt.Sprintf(format, args...), newer: newer}
	}
}

func (c *converter) take(n int) []byte {
	if n < 0 || n > len(c.src)-c.pos {
		c.fail(errTruncated)
		return nil
	}
	b := c.src[c.pos : c.pos+n]
	c.pos += n
	return b
}

func (c *converter) long() int64 {
	if c.pos < len(c.src) && c.src[c.pos] < 0x80 { // most numbers are small
		b := int64(c.src[c.pos])
		c.pos++
		return b>>1 ^ -(b & 1)
	}
	n, size := binary.Varint(c.src[c.pos:])
	switch {
	case size == 0:
		c.fail(errTruncated)
		return 0
	case size < 0:
		c.fail(errors.New("has a number beyond 64 bits"))
		return 0
	}
	c.pos += size
	return n
}

func (c *converter) bytes() []byte {
	n := c.long()
	if c.err != nil {
		return nil
	}
	if n < 0 || n > int64(len(c.src)-c.pos) {
		c.fail(fmt.Errorf("claims a length of %d bytes where %d are left", n, len(c.src)-c.pos))
		return nil
	}
	return c.take(int(n))
}

// run reads one value and appends it to dst.
func (c *converter) run(p *Plan) {
	if c.err != nil {
		return
	}
	if c.steps--; c.steps < 0 {
		c.fail(errTooMuch)
		return
	}
	switch p.op {
	case Null:
	case Boolean:
		b := c.take(1)
		if c.err == nil && b[0] > 1 {
			c.fail(fmt.Errorf("has %d for a boolean", b[0]))
		}
		c.dst = append(c.dst, b...)
	case Int, Long:
		c.number(p)
	case Float, Double, opFloatToDouble, opIntToFloat, opIntToDouble:
		c.floating(p)
	case Bytes:
		c.dst = AppendBytes(c.dst, c.bytes())
	case String:
		b := c.bytes()
		if !utf8.Valid(b) {
			c.refuse(false, "is not valid UTF-8")
		}
		c.dst = AppendBytes(c.dst, b)
	case Enum:
		c.enum(p)
	case Fixed:
		c.dst = append(c.dst, c.take(p.size)...)
	case Array:
		c.array(p)
	case Map:
		c.mapping(p)
	case Union:
		c.union(p)
	case opWrap:
		c.dst = AppendLong(c.dst, int64(p.index))
		c.run(p.inner)
	case Record:
		c.record(p)
	}
}

// Bounds of times that every JSON reader can take: years 1 to 9999.
var (
	MinMicros = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	MaxMicros = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() - 1
	minDays   = MinMicros / (24 * time.Hour).Microseconds()
	maxDays   = MaxMicros / (24 * time.Hour).Microseconds()
)

func (c *converter) number(p *Plan) {
	n := c.long()
	if p.op == Int && (n < math.MinInt32 || n > math.MaxInt32) {
		c.fail(fmt.Errorf("has %d for an int", n))
	}
	switch {
	case p.logical == TimestampMicros && (n < MinMicros || n > MaxMicros),
		p.logical == Date && (n < minDays || n > maxDays):
		c.refuse(false, "%d is outside the years 1 to 9999", n)
	}
	c.dst = AppendLong(c.dst, n)
}

func (c *converter) floating(p *Plan) {
	var f float64
	switch p.op {
	case Float, opFloatToDouble:
		if b := c.take(4); b != nil {
			f = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
	case Double:
		if b := c.take(8); b != nil {
			f = math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
	case opIntToFloat, opIntToDouble:
		f = float64(c.long())
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		c.refuse(false, "is not a finite number")
	}
	if p.op == Float || p.op == opIntToFloat {
		c.dst = binary.LittleEndian.AppendUint32(c.dst, math.Float32bits(float32(f)))
		return
	}
	c.dst = binary.LittleEndian.AppendUint64(c.dst, math.Float64bits(f))
}

func (c *converter) enum(p *Plan) {
	n := c.long()
	if c.err == nil && (n < 0 || n >= int64(len(p.symbols))) {
		c.fail(fmt.Errorf("has symbol %d of an enum of %d", n, len(p.symbols)))
	}
	if c.err != nil {
		return
	}
	index := p.symbols[n]
	if index < 0 {
		c.refuse(true, "has the symbol %s, which is unknown here", p.names[n])
		index = 0
	}
	c.dst = AppendLong(c.dst, int64(index))
}

func (c *converter) union(p *Plan) {
	n := c.long()
	if c.err == nil && (n < 0 || n >= int64(len(p.branches))) {
		c.fail(fmt.Errorf("has branch %d of a union of %d", n, len(p.branches)))
	}
	if c.err != nil {
		return
	}
	b := &p.branches[n]
	if b.lost != "" {
		c.refuse(true, "%s", b.lost)
		c.skip(b.inner)
		return
	}
	if b.index >= 0 {
		c.dst = AppendLong(c.dst, int64(b.index))
	}
	c.run(b.inner)
}

func (c *converter) skip(p *Plan) {
	mark := len(c.dst)
	c.skipping++
	c.run(p)
	c.skipping--
	c.dst = c.dst[:mark]
}

// field reads a record's field, and adds its name to a fault inside it. hadFault is true if there
// was a fault before.
func (c *converter) field(f *fieldPlan, hadFault bool) {
	if f.target < 0 {
		c.skip(f.inner)
	} else {
		c.run(f.inner)
	}
	if c.err != nil {
		c.err = fmt.Errorf("%s: %w", f.name, c.err)
	}
	if c.fault != nil && !hadFault {
		c.fault.In(f.name)
	}
}

func (c *converter) record(p *Plan) {
	if p.ordered {
		for i := range p.fields {
			if c.field(&p.fields[i], c.fault != nil); c.err != nil {
				return
			}
		}
		return
	}
	mark := len(c.dst)
	var spanRoom [24][]byte // on the stack, since this is done for most events
	var endRoom [24]int
	spans := append(spanRoom[:0], p.defaults...)
	ends := endRoom[:0]
	for i := range p.fields {
		if c.field(&p.fields[i], c.fault != nil); c.err != nil {
			return
		}
		ends = append(ends, len(c.dst))
	}
	written := append(c.written[:0], c.dst[mark:]...)
	c.written = written
	start := 0
	for i := range p.fields {
		if p.fields[i].target >= 0 {
			spans[p.fields[i].target] = written[start : ends[i]-mark]
		}
		start = ends[i] - mark
	}
	for retired, source := range p.copies {
		spans[retired] = spans[source]
	}
	c.dst = c.dst[:mark]
	for _, span := range spans {
		c.dst = append(c.dst, span...)
	}
}

// Append appends the canonical bytes of a value that the plan reads. The error is a [*Fault] if the
// value can be read but not accepted.
func (p *Plan) Append(dst, src []byte) ([]byte, error) {
	c := newConverter(src)
	defer c.release()
	if c.run(p); c.finish() != nil {
		return dst, c.err
	}
	if c.fault != nil {
		return dst, c.fault
	}
	return append(dst, c.dst...), nil
}

// Convert returns the canonical bytes of a value that the plan reads, or nil if it cannot.
func (p *Plan) Convert(src []byte) []byte {
	out, err := p.Append([]byte{}, src)
	if err != nil {
		return nil
	}
	return out
}
