package codecs

import "github.com/foldlog/foldlog/internal/avro"

// openAvro reads a command's envelope. The result points into the envelope.
func (a *Aggregate) openAvro(e opened) *raw {
	r := &raw{}
	var data []byte
	var dataFault *avro.Fault
	for i, field := range a.commandLayout {
		v, f := e.parts.Values[i], e.parts.Faults[i]
		if field == "data" {
			data, dataFault = v, f
			continue
		}
		var text []byte
		if f == nil && field != "type" && field != "expected_version" {
			if text = avro.ReadOptional(v); text != nil {
				text = avro.ReadBytes(text)
			}
		}
		switch field {
		case "type":
			if r.typeFault = f; f == nil {
				r.typ = avro.ReadBytes(v)
			}
		case "expected_version":
			if n := avro.ReadOptional(v); n != nil && f == nil {
				version := avro.ReadLong(n)
				r.expected = &version
			} else if f != nil {
				r.note(f)
			}
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
	r.find(a)
	switch {
	case r.codec == nil:
	case dataFault != nil:
		r.note(withoutData(dataFault))
	default:
		branch, body := avro.ReadBranch(data)
		if branch != r.codec.branch {
			holds := a.commands.latest.Schema.Type.Field("data").Type.Branches[branch].ShortName()
			r.note(avro.Faultf("holds a %s, but type is %q", holds, r.codec.spec.Name).In("data"))
			break
		}
		if r.slot = e.slot(branch); r.slot != r.codec.slot {
			r.body = body
			break
		}
		var f *avro.Fault
		if r.body, r.slot, f = r.codec.settle(body); f != nil {
			r.note(f)
		}
	}
	return r
}

// find looks up the command's type.
func (r *raw) find(a *Aggregate) {
	switch {
	case r.typeFault != nil:
		r.note(r.typeFault)
	case r.typ == nil:
		r.note(avro.Faultf("is missing").In("type"))
	default:
		if r.codec = a.commandOf[string(r.typ)]; r.codec == nil {
			r.note(avro.Faultf("%q is not a command of %s", avro.Clip(string(r.typ)), a.spec.Name).In("type"))
		}
	}
}

// withoutData drops "data" from the path of a field: over HTTP the data is the whole body.
func withoutData(f *avro.Fault) *avro.Fault {
	const prefix = "data."
	if len(f.Path) > len(prefix) && f.Path[:len(prefix)] == prefix {
		f.Path = f.Path[len(prefix):]
	}
	return f
}
