package codecs

import (
	"bytes"
	"fmt"

	"github.com/foldlog/foldlog/internal/avro"
)

// A command's record has had one form after another, and producers write all of them. Which form a
// command came in must not matter to whether a second one with its id is the same: the sender may
// have been upgraded in between, or the process that answered first may be one that knows older
// versions only. So the payload hash covers the oldest form that says all that the command says.

// commandForm is a form that a command's record has had.
type commandForm struct {
	record *avro.Type
	// slot reads it as today's Go value.
	slot *slot
	// down leads from today's full record to this form, nil where it lacks something that has no
	// default; up from this form to the slot's record.
	down, up *avro.Plan
	// older leads from the slot's record to each older form, nil where there is no way.
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

// readJSON returns the canonical bytes of a JSON object and what reads them: today's form, or else
// the newest of the old forms with a Go type of their own that it fits. A fault is that of today's
// form.
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

// canonicalForm returns the oldest form that says all that a command says, as its place in forms
// and in its own bytes. The body is in the form that the slot reads, data what it read, or nil
// where it could not.
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
	// what today's form cannot say in an old one, the form that it came in may
	for i, down := range c.forms[latest].older {
		if old := c.sameIn(i, down, body, full); old != nil {
			return i, old
		}
	}
	return latest, body
}

// sameIn returns what bytes become in an older form by a plan, where that says the same as today's
// full bytes, else nil.
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
