package codecs

import (
	"fmt"
	"slices"

	"github.com/foldlog/foldlog"
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

// repeated notes a field that appears twice. Of an id nobody can say which one is meant.
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

// ParseJSON returns the command that a JSON object of its fields describes, a value of the declared
// Go type. The rejection is malformed where the body is not JSON, invalid_field with the field's
// path where it does not fit the command's Avro record, or what the command's own Validate
// returned. Which forms are accepted is said at [avro.Type.AppendJSON].
func (a *Aggregate) ParseJSON(commandName string, body []byte) (any, *foldlog.Rejection) {
	codec := a.commandOf[commandName]
	if codec == nil {
		return nil, foldlog.InvalidField("type", "%q is not a command of %s", avro.Clip(commandName), a.spec.Name)
	}
	object, err := avro.ScanJSON(body)
	if err != nil {
		return nil, foldlog.Reject(foldlog.CodeMalformed, "the body is not JSON: %v", err)
	}
	if object[0] != '{' {
		return nil, foldlog.Reject(foldlog.CodeMalformed, "the body must be a JSON object with the command's fields, not %s", avro.DescribeJSON(object))
	}
	canonical, slot, f := codec.readJSON(object)
	if f != nil {
		return nil, foldlog.InvalidField(f.Path, "%s", f.Message)
	}
	data, err := slot.decode(canonical)
	if err != nil {
		return nil, foldlog.Reject(foldlog.CodeInternal, "%v", err)
	}
	if rejection := validate(data); rejection != nil {
		return nil, rejection
	}
	return data, nil
}
