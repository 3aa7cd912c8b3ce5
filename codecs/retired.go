package codecs

import (
	"bytes"
	"slices"

	"github.com/foldlog/foldlog/internal/avro"
)

// Only readers need the retired fields of events and rows. Producers also write those of commands:
// an unchanged producer that takes the newest schema from the registry fills the field that it
// knows, and the new fields get their defaults. That is a command of the old form.

// retiredField is a field of a command's full record that is a copy of another one, with the bytes
// of both if neither was set.
type retiredField struct {
	name            string
	at, source      int
	unsaid, without []byte
}

// retiredOf returns the retired fields of the record at a place, and makes the readings of today's
// form read them.
func retiredOf(t *topic, at place, today *slot) (retired []retiredField) {
	fields := today.binding.Full.Fields
	for i, f := range fields {
		if f.CopyOf == "" {
			continue
		}
		r := retiredField{name: f.Name, at: i, unsaid: f.Unsaid}
		r.source = slices.IndexFunc(fields, func(s avro.Field) bool { return s.Name == f.CopyOf })
		r.without = fields[r.source].Unsaid
		retired = append(retired, r)
	}
	for _, r := range t.readings {
		if len(retired) > 0 && r.slots[at.branch] == today {
			r.reader = at.put(r.reader, today.binding.Full)
		}
	}
	return retired
}

// settle returns the meaning of a command in today's full form, and the slot that reads it: its
// bytes without the retired fields, or those of an old form if only the retired fields were set.
func (c *commandCodec) settle(full []byte) ([]byte, *slot, *avro.Fault) {
	if len(c.retired) == 0 {
		return full, c.slot, nil
	}
	parts, err := c.binding.Parts.Open(full)
	if err != nil {
		return nil, nil, avro.Faultf("%v", err).In("data")
	}
	defer parts.Release()
	old := false
	for _, r := range c.retired {
		said, source := parts.Values[r.at], parts.Values[r.source]
		switch {
		case bytes.Equal(said, source), bytes.Equal(said, r.unsaid):
		case bytes.Equal(source, r.without):
			old = true
		default:
			return nil, nil, avro.Faultf("must be left out or be the same as %s, which it is a copy of", c.binding.Full.Fields[r.source].Name).In(r.name)
		}
	}
	for i := len(c.forms) - 1; old && i >= 0; i-- {
		form := &c.forms[i]
		if len(form.slot.upcasts) == 0 || form.down == nil {
			continue
		}
		if body := form.up.Convert(form.down.Convert(full)); body != nil {
			return body, form.slot, nil
		}
	}
	return c.binding.Current.Convert(full), c.slot, nil
}
