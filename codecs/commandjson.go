package codecs

import (
	"fmt"
	"slices"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/schemas"
)

// openJSON reads a command's envelope in JSON. An error means that it is no JSON object.
func (a *Aggregate) openJSON(value []byte) (*raw, error) {
	if err := checkJSON(value); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	object := trim(value)
	if object[0] != '{' {
		return nil, fmt.Errorf("a command is a JSON object, not %s", describeJSON(object))
	}
	r := &raw{}
	var data []byte
	seen := 0 // a bit for each field of the envelope
	err := members(object, func(quoted, member []byte) error {
		key, err := unquote(quoted)
		if err != nil {
			r.note(faultf("has a field whose name %v", err))
			return nil
		}
		i := slices.IndexFunc(envelopeFields, func(name string) bool { return name == string(key) })
		switch {
		case i < 0:
			r.note(faultf("is not a field of a command").in(clip(string(key))))
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
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.find(a)
	switch {
	case r.codec == nil:
	case data == nil:
		r.note(faultf("is missing").in("data"))
	default:
		body, slot, f := r.codec.readJSON(data)
		if f != nil {
			if f.path == "" {
				f.path = "data"
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
	f := faultf("appears twice").in(name)
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
	wholeNumber = &jsonPlan{t: &schemas.Type{Kind: schemas.Long}}
	someText    = &jsonPlan{t: &schemas.Type{Kind: schemas.String}}
)

// set reads one field of the envelope. Null is the same as absent.
func (r *raw) set(name string, member []byte) {
	if name == "expected_version" {
		if member[0] == 'n' {
			return
		}
		canonical, f := wholeNumber.appendJSON(nil, member)
		if f != nil {
			r.note(f.in(name))
			return
		}
		version := readLong(canonical)
		r.expected = &version
		return
	}
	var text []byte
	var f *fault
	switch member[0] {
	case 'n':
	case '"':
		var err error
		if text, err = unquote(member); err != nil {
			f = faultf("%v", err).in(name)
		}
	default:
		f = someText.mismatch(member).in(name)
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
// returned. Which forms are accepted is said at appendJSON (jsonwalk.go).
func (a *Aggregate) ParseJSON(commandName string, body []byte) (any, *foldlog.Rejection) {
	codec := a.commandOf[commandName]
	if codec == nil {
		return nil, foldlog.InvalidField("type", "%q is not a command of %s", clip(commandName), a.spec.Name)
	}
	if err := checkJSON(body); err != nil {
		return nil, foldlog.Reject(foldlog.CodeMalformed, "the body is not JSON: %v", err)
	}
	object := trim(body)
	if object[0] != '{' {
		return nil, foldlog.Reject(foldlog.CodeMalformed, "the body must be a JSON object with the command's fields, not %s", describeJSON(object))
	}
	canonical, slot, f := codec.readJSON(object)
	if f != nil {
		return nil, foldlog.InvalidField(f.path, "%s", f.message)
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
