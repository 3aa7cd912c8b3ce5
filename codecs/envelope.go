package codecs

import "encoding/binary"

// envelope is a record of the top level, taken apart: the canonical bytes of each field of the
// reader's type, in its order, and what is not acceptable about each.
type envelope struct {
	values [][]byte
	faults []*fault
	// reading is that of the version that the value was written with.
	reading *reading
}

// slot returns what reads the record of that branch, or nil.
func (e *envelope) slot(branch int) *slot { return e.reading.slots[branch] }

func (e *envelope) reset() {
	clear(e.values)
	clear(e.faults)
	e.values, e.faults = e.values[:0], e.faults[:0]
}

// fault returns the first field's fault, or nil.
func (e *envelope) fault() *fault {
	for _, f := range e.faults {
		if f != nil {
			return f
		}
	}
	return nil
}

// open reads the whole source by a record's plan and takes the result apart. The envelope is valid
// until the converter is released; it is complete where the error is nil.
func (c *converter) open(p *plan) (*envelope, error) {
	e := &c.envelope
	e.reset()
	ends := [32]int{}
	bounds := ends[:0]
	for range p.defaults {
		e.values = append(e.values, nil)
		e.faults = append(e.faults, nil)
	}
	for i := range p.fields {
		f := &p.fields[i]
		c.fault = nil
		if f.target < 0 {
			c.skip(f.inner)
		} else {
			c.run(f.inner)
		}
		c.within(f.name, false)
		if c.err != nil {
			return nil, c.err
		}
		if f.target >= 0 {
			e.faults[f.target] = c.fault
		}
		bounds = append(bounds, len(c.dst))
	}
	if err := c.finish(); err != nil {
		return nil, err
	}
	copy(e.values, p.defaults)
	start := 0
	for i := range p.fields {
		if target := p.fields[i].target; target >= 0 {
			e.values[target] = c.dst[start:bounds[i]:bounds[i]]
		}
		start = bounds[i]
	}
	return e, nil
}

// The functions below read canonical bytes, whose shape is known.

func readLong(b []byte) int64 { n, _ := binary.Varint(b); return n }

func readBytes(b []byte) []byte {
	n, size := binary.Varint(b)
	return b[size : size+int(n)]
}

func readString(b []byte) string { return string(readBytes(b)) }

// shared returns the bytes as a string, and likely itself where that is what they say.
func shared(b []byte, likely string) string {
	if string(b) == likely {
		return likely
	}
	return string(b)
}

// readOptional returns the bytes of a union of null and a type, null first, or nil.
func readOptional(b []byte) []byte {
	if len(b) == 0 || b[0] == 0 {
		return nil
	}
	return b[1:]
}

// readOptionalString returns "" for null.
func readOptionalString(b []byte) string {
	if b = readOptional(b); b == nil {
		return ""
	}
	return readString(b)
}

func appendOptionalString(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, 0)
	}
	return appendString(append(dst, 2), s)
}

// readBranch returns the branch of a union and the bytes of its value.
func readBranch(b []byte) (int, []byte) {
	n, size := binary.Varint(b)
	return int(n), b[size:]
}

// joined returns the canonical bytes of the whole record.
func (e *envelope) joined(c *converter) []byte {
	start := len(c.dst)
	for _, v := range e.values {
		c.dst = append(c.dst, v...)
	}
	return c.dst[start:]
}
