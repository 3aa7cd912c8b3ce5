package codecs

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/hamba/avro/v2"

	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

// reading is how values are read that were written with one published version of a topic's schema.
type reading struct {
	version schemas.Schema
	// reader is what they are read as: the latest type without its retired fields, but for records
	// that have another Go type in this version.
	reader *schemas.Type
	// slots have the records within, by the latest type's branch of data, or one for a state or
	// row; nil where a topic has no Go types or a branch is not declared.
	slots []*slot
}

// slot reads one record of a domain, in the form that it has in some versions, as the Go type of
// today.
type slot struct {
	*binding
	upcasts []topology.UpcastSpec // from the binding's type to today's
}

// decode returns today's value of canonical bytes. A panic of the domain's upcast is an error: that
// record's alone.
func (s *slot) decode(body []byte) (value any, err error) {
	value, err = s.binding.decode(body)
	if err != nil || len(s.upcasts) == 0 {
		return value, err
	}
	defer func() {
		if p := recover(); p != nil {
			value, err = nil, fmt.Errorf("%s: the upcast from %s panicked: %v", s.record.ShortName(), s.typ, p)
		}
	}()
	for _, u := range s.upcasts {
		value = u.Func(value)
	}
	return value, nil
}

// place says where a record of a domain stands in a topic's type.
type place struct {
	field  string // "" is the whole value
	branch int    // of the latest type's union in the field; -1 where the field is no union
}

var wholeValue = place{branch: -1}

// find returns the record of a version's type, or nil where the version lacks it.
func (p place) find(t, latest *schemas.Type) *schemas.Type {
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
		if schemas.BranchFor(b, latest.Field(p.field).Type) == p.branch {
			return b
		}
	}
	return nil
}

// put returns the latest type with another record at the place.
func (p place) put(latest, record *schemas.Type) *schemas.Type {
	if p.field == "" {
		return record
	}
	changed := *latest
	changed.Fields = append([]schemas.Field(nil), latest.Fields...)
	f := changed.Field(p.field)
	if p.branch < 0 {
		f.Type = record
		return &changed
	}
	union := *f.Type
	union.Branches = append([]*schemas.Type(nil), union.Branches...)
	union.Branches[p.branch] = record
	f.Type = &union
	return &changed
}

// bind binds the record at a place, in all its forms: today's, which it returns, and older ones,
// which go into the readings of the versions that have them.
func (b *builder) bind(t *topic, where string, at place, maxBytes int, typ reflect.Type, upcasts []topology.UpcastSpec) *slot {
	last := len(t.readings)
	for i := range upcasts {
		if until := upcasts[i].Until; until < 1 || until >= last || t.readings[until-1].version.Fingerprint == t.readings[until].version.Fingerprint {
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
			if at.find(r.version.Type, t.latest.Type) != nil { // else the record came later
				r.slots[index], r.reader = old, at.put(r.reader, old.record)
			}
		}
	}
	return today
}

// bindForm binds the record as one version of the schema has it.
func (b *builder) bindForm(t *topic, where string, at place, maxBytes int, version schemas.Schema, typ reflect.Type) *slot {
	full := at.find(version.Type, t.latest.Type)
	if full == nil {
		b.problem("%s: %s version %d has no such record", where, t.base, version.Version)
		return nil
	}
	for _, problem := range matchFields(where, typ, full.Current()) {
		b.problem("%s", problem)
	}
	parsed, err := parseAvro(version)
	if err == nil {
		var bound *binding
		if bound, err = newBinding(newAPI(maxBytes), at.findAvro(parsed, full), full, typ); err == nil {
			return &slot{binding: bound}
		}
	}
	b.problem("%s: %w", where, err)
	return nil
}

// findAvro returns the record for the library, without retired fields.
func (p place) findAvro(s avro.Schema, full *schemas.Type) avro.Schema {
	if p.field != "" {
		for _, f := range s.(*avro.RecordSchema).Fields() {
			if f.Name() == p.field {
				s = f.Type()
			}
		}
	}
	if union, ok := s.(*avro.UnionSchema); ok {
		for _, branch := range union.Types() {
			if deref(branch).(avro.NamedSchema).FullName() == full.Name {
				s = branch
			}
		}
	}
	record := deref(s).(*avro.RecordSchema)
	kept := make([]*avro.Field, 0, len(record.Fields()))
	for _, f := range record.Fields() {
		if full.Field(f.Name()).CopyOf == "" {
			kept = append(kept, f)
		}
	}
	if len(kept) == len(record.Fields()) {
		return record
	}
	namespace, name := "", full.Name
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		namespace, name = name[:dot], name[dot+1:]
	}
	current, err := avro.NewRecordSchema(name, namespace, kept)
	if err != nil {
		// its names were parsed a moment ago
		panic(fmt.Sprintf("record %s without its retired fields: %v", full.Name, err))
	}
	return current
}
