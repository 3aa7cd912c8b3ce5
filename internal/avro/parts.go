package avro

// Parts are a record taken apart: the canonical bytes of each field of the reader's type, in its
// order, and the fault of each. They are valid until Release.
type Parts struct {
	Values [][]byte
	Faults []*Fault
	from   *converter
}

// Open reads a whole value by a record's plan and takes the result apart. Release must follow if
// there is no error.
func (p *Plan) Open(src []byte) (*Parts, error) {
	c := newConverter(src)
	parts, err := c.open(p)
	if err != nil {
		c.release()
	}
	return parts, err
}

func (c *converter) open(p *Plan) (*Parts, error) {
	e := &c.parts
	e.from = c
	e.reset()
	ends := [32]int{}
	bounds := ends[:0]
	e.Values = append(e.Values, p.defaults...)
	for range p.defaults {
		e.Faults = append(e.Faults, nil)
	}
	for i := range p.fields {
		f := &p.fields[i]
		c.fault = nil
		if c.field(f, false); c.err != nil {
			return nil, c.err
		}
		if f.target >= 0 {
			e.Faults[f.target] = c.fault
		}
		bounds = append(bounds, len(c.dst))
	}
	if err := c.finish(); err != nil {
		return nil, err
	}
	start := 0 // dst has moved while it grew
	for i := range p.fields {
		if target := p.fields[i].target; target >= 0 {
			e.Values[target] = c.dst[start:bounds[i]:bounds[i]]
		}
		start = bounds[i]
	}
	return e, nil
}

func (e *Parts) reset() {
	clear(e.Values)
	clear(e.Faults)
	e.Values, e.Faults = e.Values[:0], e.Faults[:0]
}

// Fault returns the first field's fault, or nil.
func (e *Parts) Fault() *Fault {
	for _, f := range e.Faults {
		if f != nil {
			return f
		}
	}
	return nil
}

// Joined returns the canonical bytes of the whole record.
func (e *Parts) Joined() []byte {
	c := e.from
	start := len(c.dst)
	for _, v := range e.Values {
		c.dst = append(c.dst, v...)
	}
	return c.dst[start:]
}

// Release gives the memory back. Pointers into it must not be used afterwards.
func (e *Parts) Release() { e.from.release() }
