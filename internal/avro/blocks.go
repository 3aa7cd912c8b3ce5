package avro

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Arrays and maps may come in any number of blocks. They are written as one.

// blocks reads the blocks of an array or map, calling item for each item. It returns the number of
// items.
func (c *converter) blocks(item func()) (n int) {
	for c.err == nil {
		count := c.long()
		if count == 0 || c.err != nil {
			return n
		}
		if count < 0 {
			c.long() // the block's size in bytes, for readers that skip it
			count = -count
		}
		if count < 0 || count > int64(c.steps) {
			c.fail(fmt.Errorf("claims %d items: %w", count, errTooMuch))
			return n
		}
		for range count {
			if item(); c.err != nil {
				return n
			}
			n++
		}
	}
	return n
}

func (c *converter) array(p *Plan) {
	mark := len(c.dst)
	n := c.blocks(func() { c.run(p.inner) })
	c.dst = CloseBlock(c.dst, mark, n)
}

type entry struct{ key, all []byte }

func (c *converter) mapping(p *Plan) {
	mark := len(c.dst)
	var bounds []int // start, end of key, end of value
	n := c.blocks(func() {
		start := len(c.dst)
		key := c.bytes()
		if !utf8.Valid(key) {
			c.refuse(false, "has a key that is not valid UTF-8")
		}
		c.dst = AppendBytes(c.dst, key)
		bounds = append(bounds, start-mark, len(c.dst)-len(key)-mark, len(c.dst)-mark)
		c.run(p.inner)
		bounds = append(bounds, len(c.dst)-mark)
	})
	if c.err == nil && n > 0 {
		c.sortEntries(mark, bounds)
	}
	c.dst = CloseBlock(c.dst, mark, n)
}

func (c *converter) sortEntries(mark int, bounds []int) {
	written := slices.Clone(c.dst[mark:])
	entries := make([]entry, 0, len(bounds)/4)
	for b := range slices.Chunk(bounds, 4) {
		entries = append(entries, entry{key: written[b[1]:b[2]], all: written[b[0]:b[3]]})
	}
	out, twice := appendEntries(c.dst[:mark], entries)
	if c.dst = out; twice != nil {
		c.refuse(false, "has the key %q twice", twice)
	}
}

// appendEntries appends a map's entries in the order of their keys, and returns a key that is there
// twice, or nil.
func appendEntries(dst []byte, entries []entry) (out, twice []byte) {
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	for i, e := range entries {
		if i > 0 && twice == nil && bytes.Equal(e.key, entries[i-1].key) {
			twice = e.key
		}
		dst = append(dst, e.all...)
	}
	return dst, twice
}
