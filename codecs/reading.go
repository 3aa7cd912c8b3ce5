package codecs

import (
	"fmt"
	"reflect"

	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

// reading reads values that were written with one published version of a topic's schema.
type reading struct {
	version schemas.Version
	// reader is the type that values are read as: the latest type without its retired fields.
	// Records with another Go type in this version keep their form.
	reader *avro.Type
	// slots read the records inside, by the latest type's branch of data. A state or row has one. A
	// slot is nil if a topic has no Go types or a branch is not declared.
	slots []*slot
}

// slot reads one record of a domain, in the form of some versions, as today's Go type.
type slot struct {
	binding *avro.Binding
	upcasts []topology.UpcastSpec // from the binding's type to today's
}

// decode returns today's value of canonical bytes. A panic of the domain's upcast is an error of
// that record alone.
func (s *slot) decode(body []byte) (value any, err error) {
	value, err = s.binding.Decode(body)
	if err != nil || len(s.upcasts) == 0 {
		return value, err
	}
	defer func() {
		if p := recover(); p != nil {
			value, err = nil, fmt.Errorf("%s: the upcast from %s panicked: %v", s.binding.Record.ShortName(), s.binding.Go, p)
		}
	}()
	for _, u := range s.upcasts {
		value = u.Func(value)
	}
	return value, nil
}

// place is the place of a domain's record in a topic's type.
type place struct {
	field  string // "" is the whole value
	branch int    // of the latest type's union in the field; -1 if the field is no union
}

var wholeValue = place{branch: -1}

// find returns the record of a version's type, or nil if the version lacks it.
func (p place) find(t, latest *avro.Type) *avro.Type {
	if p.field == "" {
		return t
	}
	f := t.Field(p.field)
	switch {
	case f == nil:
		return nil
	case p.branch < 0:
		return f.Type
	}
	for _, b := range f.Type.Branches {
		if avro.BranchFor(b, latest.Field(p.field).Type) == p.branch {
			return b
		}
	}
	return nil
}

// put returns the latest type with another record at the place.
func (p place) put(latest, record *avro.Type) *avro.Type {
	if p.field == "" {
		return record
	}
	changed := *latest
	changed.Fields = append([]avro.Field(nil), latest.Fields...)
	f := changed.Field(p.field)
	if p.branch < 0 {
		f.Type = record
		return &changed
	}
	union := *f.Type
	union.Branches = append([]*avro.Type(nil), union.Branches...)
	union.Branches[p.branch] = record
	f.Type = &union
	return &changed
}

// bind binds the record at a place, in all its forms. It returns today's form. Older ones go into
// the readings of their versions.
func (b *builder) bind(t *topic, where string, at place, maxBytes int, typ reflect.Type, upcasts []topology.UpcastSpec) *slot {
	last := len(t.readings)
	for i := range upcasts {
		if until := upcasts[i].Until; until < 1 || until >= last || t.readings[until-1].version.Schema.Fingerprint == t.readings[until].version.Schema.Fingerprint {
			b.problem("%s: the upcast from %s is until version %d of %s, so version %d must exist and write another form", where, upcasts[i].From, until, t.base, until+1)
			return nil
		}
	}
	today := b.bindForm(t, where, at, maxBytes, t.latest, typ)
	if today == nil {
		return nil
	}
	index := max(at.branch, 0)
	for _, r := range t.readings {
		r.slots[index] = today
	}
	from := 1
	for i, u := range upcasts {
		old := b.bindForm(t, fmt.Sprintf("%s, until version %d", where, u.Until), at, maxBytes, t.readings[u.Until-1].version, u.From)
		if old == nil {
			return nil
		}
		old.upcasts = upcasts[i:]
		for ; from <= u.Until; from++ {
			r := t.readings[from-1]
			// A record that came later is not in the older schema.
			if at.find(r.version.Schema.Type, t.latest.Schema.Type) != nil {
				r.slots[index], r.reader = old, at.put(r.reader, old.binding.Record)
			}
		}
	}
	return today
}

// bindForm binds the record in the form of one version of the schema.
func (b *builder) bindForm(t *topic, where string, at place, maxBytes int, version schemas.Version, typ reflect.Type) *slot {
	full := at.find(version.Schema.Type, t.latest.Schema.Type)
	if full == nil {
		b.problem("%s: %s version %d has no such record", where, t.base, version.Number)
		return nil
	}
	for _, problem := range avro.MatchGo(where, typ, full.Current()) {
		b.problem("%s", problem)
	}
	bound, err := avro.Bind(full, typ, maxBytes)
	if err != nil {
		b.problem("%s: %w", where, err)
		return nil
	}
	return &slot{binding: bound}
}
