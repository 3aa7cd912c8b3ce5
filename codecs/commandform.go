package codecs

import (
	"bytes"
	"fmt"

	"github.com/foldlog/foldlog/internal/avro"
)

// A command's record has had one form after another, and producers write all of them. A repeated
// command must be recognised in any form: the sender may have been upgraded in between, or the
// process that answered first may know only older versions. So the payload hash covers the oldest
// form with the same meaning.

// commandForm is a form that a command's record has had.
type commandForm struct {
	record *avro.Type
	// slot reads the form as today's Go value.
	slot *slot
	// down leads from today's full record to this form; it is nil if the record lacks a field
	// without a default. up leads from this form to the slot's record.
	down, up *avro.Plan
	// older leads from the slot's record to each older form; nil if there is no way.
	older []*avro.Plan
}

// formsOf returns the forms of the record at a place, oldest first; today's is the last.
func formsOf(t *topic, at place, today *slot) ([]commandForm, error) {
	var forms []commandForm
	var last *avro.Type
	for _, r := range t.readings {
		record := at.find(r.version.Schema.Type, t.latest.Schema.Type)
		if record == nil {
			continue // it came later
		}
		if record = record.Current(); last != nil && avro.SameForm(last, record) {
			forms[len(forms)-1].slot = r.slots[at.branch]
			continue
		}
		last = record
		form := commandForm{record: record, slot: r.slots[at.branch]}
		form.down, _ = avro.Compile(today.binding.Full, record)
		var err error
		if form.up, err = avro.Compile(record, form.slot.binding.Record); err != nil {
			return nil, fmt.Errorf("version %d: %w", r.version.Number, err)
		}
		forms = append(forms, form)
	}
	for i := range forms {
		for _, old := range forms[:i] {
			p, _ := avro.Compile(forms[i].slot.binding.Record, old.record)
			forms[i].older = append(forms[i].older, p)
		}
	}
	return forms, nil
}

// readJSON returns the canonical bytes of a JSON object and the slot that reads them. That is
// today's form or, if the object does not fit, the newest fitting old form with a Go type of its
// own. A fault is that of today's form.
func (c *commandCodec) readJSON(object []byte) ([]byte, *slot, *avro.Fault) {
	body, f := c.binding.Record.AppendJSON(make([]byte, 0, len(object)), object)
	if f == nil {
		return body, c.slot, nil
	}
	for i := len(c.forms) - 1; i >= 0; i-- {
		old := c.forms[i].slot
		if len(old.upcasts) == 0 {
			continue
		}
		if body, fault := old.binding.Record.AppendJSON(body[:0], object); fault == nil {
			return body, old, nil
		}
	}
	return nil, nil, f
}

// canonicalForm returns the oldest form with the same meaning as a command, as its place in forms
// and in its own bytes. The body is in the slot's form. data is its Go value, or nil if it could
// not be read.
func (c *commandCodec) canonicalForm(from *slot, body []byte, data any) (int, []byte) {
	latest := len(c.forms) - 1
	if latest == 0 {
		return 0, body
	}
	var full []byte
	switch {
	case from == c.slot:
		full = c.fullOf(body)
	case data != nil:
		full, _ = c.binding.Append(nil, data)
	}
	for i := range c.forms[:latest] {
		if old := c.sameIn(i, c.forms[i].down, full, full); old != nil {
			return i, old
		}
	}
	if from == c.slot {
		return latest, body
	}
	for latest > 0 && c.forms[latest].slot != from {
		latest--
	}
	// An old command may have a meaning that today's form lacks, and the form that it came in has.
	for i, down := range c.forms[latest].older {
		if old := c.sameIn(i, down, body, full); old != nil {
			return i, old
		}
	}
	return latest, body
}

// sameIn converts bytes to an older form by a plan. It returns nil unless the result means the same
// as today's full bytes.
func (c *commandCodec) sameIn(form int, down *avro.Plan, body, full []byte) []byte {
	if down == nil || full == nil {
		return nil
	}
	f := &c.forms[form]
	old := down.Convert(body)
	if old == nil {
		return nil
	}
	again := f.up.Convert(old)
	if f.slot == c.slot {
		again = c.fullOf(again)
	} else if value, err := f.slot.decode(again); err == nil {
		again, _ = c.binding.Append(nil, value)
	}
	if !bytes.Equal(again, full) {
		return nil
	}
	return old
}

// fullOf returns today's bytes with the retired fields.
func (c *commandCodec) fullOf(body []byte) []byte {
	if c.binding.Record == c.binding.Full || body == nil {
		return body
	}
	return c.binding.Complete.Convert(body)
}
