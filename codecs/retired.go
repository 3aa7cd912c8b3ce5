package codecs

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/foldlog/foldlog/schemas"
)

// Events and rows have retired fields for readers alone. In commands producers write them, too: one
// that takes the newest schema from the registry and was not changed itself fills the field that it
// knows, and the new ones get their defaults. That is a command of the old form.

// retiredField is a field of a command's full record that is a copy of another one, with the bytes
// of both where nobody said anything.
type retiredField struct {
	name            string
	at, source      int
	unsaid, without []byte
}

// retiredOf returns the retired fields of the record at a place, and has the readings of today's
// form read them.
func retiredOf(t *topic, at place, today *slot) ([]retiredField, error) {
	var retired []retiredField
	for i, f := range today.full.Fields {
		if f.CopyOf == "" {
			continue
		}
		r := retiredField{name: f.Name, at: i, source: slices.IndexFunc(today.full.Fields, func(s schemas.Field) bool { return s.Name == f.CopyOf })}
		var err error
		if f.HasDefault {
			if r.unsaid, err = appendDefault(nil, f.Type, f.Default); err != nil {
				return nil, fmt.Errorf("default of field %s: %w", f.Name, err)
			}
		}
		if source := today.full.Fields[r.source]; source.HasDefault {
			if r.without, err = appendDefault(nil, source.Type, source.Default); err != nil {
				return nil, fmt.Errorf("default of field %s: %w", source.Name, err)
			}
		}
		retired = append(retired, r)
	}
	for _, r := range t.readings {
		if len(retired) > 0 && r.slots[at.branch] == today {
			r.reader = at.put(r.reader, today.full)
		}
	}
	return retired, nil
}

// settle returns what a command in today's full form says: its bytes without the retired fields, or
// those of an old form where only the retired fields say something, and what reads them.
func (c *commandCodec) settle(full []byte) ([]byte, *slot, *fault) {
	if len(c.retired) == 0 {
		return full, c.slot, nil
	}
	parts := newConverter(full)
	defer parts.release()
	e, err := parts.open(c.parts)
	if err != nil {
		return nil, nil, faultf("%v", err).in("data")
	}
	old := false
	for _, r := range c.retired {
		said, source := e.values[r.at], e.values[r.source]
		switch {
		case bytes.Equal(said, source), bytes.Equal(said, r.unsaid):
		case bytes.Equal(source, r.without):
			old = true
		default:
			return nil, nil, faultf("must be left out or be the same as %s, which it is a copy of", c.full.Fields[r.source].Name).in(r.name)
		}
	}
	for i := len(c.forms) - 1; old && i >= 0; i-- {
		form := &c.forms[i]
		if len(form.slot.upcasts) == 0 || form.down == nil {
			continue
		}
		if body := through(form.up, through(form.down, full)); body != nil {
			return body, form.slot, nil
		}
	}
	return through(c.today, full), c.slot, nil
}
