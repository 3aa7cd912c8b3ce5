package codecs

import (
	"fmt"
	"slices"

	"github.com/foldlog/foldlog/internal/avro"
)

// openJSON reads a command's envelope in JSON. An error means that it is no JSON object.
func (a *Aggregate) openJSON(value []byte) (*raw, error) {
	object, err := avro.ScanJSON(value)
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if object[0] != '{' {
		return nil, fmt.Errorf("a command is a JSON object, not %s", avro.DescribeJSON(object))
	}
	r := &raw{}
	var data []byte
	seen := 0 // a bit for each field of the envelope
	for quoted, member := range avro.Members(object) {
		key, err := avro.Unquote(quoted)
		if err != nil {
			r.note(avro.Faultf("has a field whose name %v", err))
			continue
		}
		i := slices.IndexFunc(envelopeFields, func(name string) bool { return name == string(key) })
		switch {
		case i < 0:
			r.note(avro.Faultf("is not a field of a command").In(avro.Clip(string(key))))
		case seen&(1<<i) != 0:
			r.repeated(envelopeFields[i])
		case envelopeFields[i] == "data":
			data = member
		default:
			r.set(envelopeFields[i], member)
		}
		if i >= 0 {
			seen |= 1 << i
		}
	}
	r.find(a)
	switch {
	case r.codec == nil:
	case data == nil:
		r.note(avro.Faultf("is missing").In("data"))
	default:
		body, slot, f := r.codec.readJSON(data)
		if f != nil {
			if f.Path == "" {
				f.Path = "data"
			}
			r.note(f)
			break
		}
		r.body, r.slot = body, slot
	}
	return r, nil
}

// envelopeFields are the fields of a command in JSON.
//
// NB: must not change. Producers write them.
var envelopeFields = []string{"command_id", "type", "aggregate_id", "expected_version", "correlation_id", "causation_id", "actor", "data"}

// repeated notes a field that appears twice. For an id, nobody can tell which of the two is meant.
func (r *raw) repeated(name string) {
	f := avro.Faultf("appears twice").In(name)
	switch name {
	case "command_id":
		r.commandIDFault = f
	case "aggregate_id":
		r.aggregateIDFault = f
	default:
		r.note(f)
	}
}

var (
	wholeNumber = &avro.Type{Kind: avro.Long}
	someText    = &avro.Type{Kind: avro.String}
)

// set reads one field of the envelope. Null is the same as absent.
func (r *raw) set(name string, member []byte) {
	if name == "expected_version" {
		if member[0] == 'n' {
			return
		}
		canonical, f := wholeNumber.AppendJSON(nil, member)
		if f != nil {
			r.note(f.In(name))
			return
		}
		version := avro.ReadLong(canonical)
		r.expected = &version
		return
	}
	var text []byte
	var f *avro.Fault
	switch member[0] {
	case 'n':
	case '"':
		var err error
		if text, err = avro.Unquote(member); err != nil {
			f = avro.Faultf("%v", err).In(name)
		}
	default:
		f = someText.Mismatch(member).In(name)
	}
	switch name {
	case "type":
		r.typ, r.typeFault = text, f
	case "command_id":
		r.commandID, r.commandIDFault = text, f
	case "aggregate_id":
		r.aggregateID, r.aggregateIDFault = text, f
	case "correlation_id":
		r.correlationID, r.correlationFault = text, f
	case "causation_id":
		r.causationID, r.causationFault = text, f
	case "actor":
		r.actor, r.actorFault = text, f
	}
}
