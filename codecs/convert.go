package codecs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/foldlog/foldlog/schemas"
)

// converter reads bytes by a plan and writes canonical bytes of the reader's type: shortest
// numbers, one block for an array or map, entries of a map sorted by key. It believes nothing that
// the bytes claim: it stops at the first thing that cannot be a value (err), and notes the first
// value that is sound but not acceptable (fault), reading on.
type converter struct {
	src   []byte
	pos   int
	dst   []byte
	err   error
	fault *fault
	// steps bounds the work: types of no bytes (null, empty records) can be repeated without end
	// otherwise.
	steps    int
	skipping int // within something that is thrown away: its faults do not matter
	envelope envelope
	written  []byte // a record's fields while they are put into order
}

// fault is a value that can be read and not be accepted.
type fault struct {
	path    string
	message string
	newer   bool // the reader has no place for it: see ErrNewerSchema
}

func (f *fault) Error() string {
	if f.path == "" {
		return f.message
	}
	return f.path + ": " + f.message
}

// Unwrap makes errors.Is find ErrNewerSchema.
func (f *fault) Unwrap() error {
	if f.newer {
		return ErrNewerSchema
	}
	return nil
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

// release gives the buffers back. Nothing that points into them may be used afterwards.
func (c *converter) release() {
	c.src = nil
	c.envelope.reset()
	if cap(c.dst) > maxPooled {
		c.dst, c.written = make([]byte, 0, 1024), nil
	}
	converters.Put(c)
}

// finish returns what is wrong after everything should have been read.
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
		c.fault = &fault{message: fmt.Sprintf(format, args...), newer: newer}
	}
}

// within puts a field's name before the path of what went wrong inside it, if it went wrong there.
func (c *converter) within(name string, hadFault bool) {
	if c.err != nil {
		c.err = fmt.Errorf("%s: %w", name, c.err)
	}
	if !hadFault && c.fault != nil {
		if c.fault.path != "" {
			name += "." + c.fault.path
		}
		c.fault.path = name
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
func (c *converter) run(p *plan) {
	if c.err != nil {
		return
	}
	if c.steps--; c.steps < 0 {
		c.fail(errTooMuch)
		return
	}
	switch p.op {
	case opNull:
	case opBoolean:
		b := c.take(1)
		if c.err == nil && b[0] > 1 {
			c.fail(fmt.Errorf("has %d for a boolean", b[0]))
		}
		c.dst = append(c.dst, b...)
	case opInt, opLong:
		c.number(p)
	case opFloat, opDouble, opFloatToDouble, opIntToFloat, opIntToDouble:
		c.floating(p)
	case opBytes:
		c.dst = appendBytes(c.dst, c.bytes())
	case opString:
		b := c.bytes()
		if !utf8.Valid(b) {
			c.refuse(false, "is not valid UTF-8")
		}
		c.dst = appendBytes(c.dst, b)
	case opEnum:
		c.enum(p)
	case opFixed:
		c.dst = append(c.dst, c.take(p.size)...)
	case opArray:
		c.array(p)
	case opMap:
		c.mapping(p)
	case opUnion:
		c.union(p)
	case opWrap:
		c.dst = appendLong(c.dst, int64(p.index))
		c.run(p.inner)
	case opRecord:
		c.record(p)
	}
}

// Bounds of times that every JSON reader can take: years 1 to 9999.
var (
	minMicros = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	maxMicros = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() - 1
	minDays   = minMicros / (24 * time.Hour).Microseconds()
	maxDays   = maxMicros / (24 * time.Hour).Microseconds()
)

func (c *converter) number(p *plan) {
	n := c.long()
	if p.op == opInt && (n < math.MinInt32 || n > math.MaxInt32) {
		c.fail(fmt.Errorf("has %d for an int", n))
	}
	switch {
	case p.logical == schemas.TimestampMicros && (n < minMicros || n > maxMicros),
		p.logical == schemas.Date && (n < minDays || n > maxDays):
		c.refuse(false, "%d is outside the years 1 to 9999", n)
	}
	c.dst = appendLong(c.dst, n)
}

func (c *converter) floating(p *plan) {
	var f float64
	switch p.op {
	case opFloat, opFloatToDouble:
		if b := c.take(4); b != nil {
			f = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
	case opDouble:
		if b := c.take(8); b != nil {
			f = math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
	case opIntToFloat, opIntToDouble:
		f = float64(c.long())
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		c.refuse(false, "is not a finite number")
	}
	if p.op == opFloat || p.op == opIntToFloat {
		c.dst = binary.LittleEndian.AppendUint32(c.dst, math.Float32bits(float32(f)))
		return
	}
	c.dst = binary.LittleEndian.AppendUint64(c.dst, math.Float64bits(f))
}

func (c *converter) enum(p *plan) {
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
	c.dst = appendLong(c.dst, int64(index))
}

func (c *converter) union(p *plan) {
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
		c.dst = appendLong(c.dst, int64(b.index))
	}
	c.run(b.inner)
}

func (c *converter) skip(p *plan) {
	mark := len(c.dst)
	c.skipping++
	c.run(p)
	c.skipping--
	c.dst = c.dst[:mark]
}

func (c *converter) record(p *plan) {
	if p.ordered {
		for i := range p.fields {
			f := &p.fields[i]
			hadFault := c.fault != nil
			c.run(f.inner)
			if c.err != nil || c.fault != nil {
				c.within(f.name, hadFault)
				if c.err != nil {
					return
				}
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
		f := &p.fields[i]
		hadFault := c.fault != nil
		if f.target < 0 {
			c.skip(f.inner)
		} else {
			c.run(f.inner)
		}
		c.within(f.name, hadFault)
		if c.err != nil {
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
