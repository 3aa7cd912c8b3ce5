package codecs

// openAvro reads a command's envelope. What it returns points into the envelope.
func (a *Aggregate) openAvro(e *envelope) *raw {
	r := &raw{}
	var data []byte
	var dataFault *fault
	for i, field := range a.commandLayout {
		v, f := e.values[i], e.faults[i]
		if field == "data" {
			data, dataFault = v, f
			continue
		}
		var text []byte
		if f == nil && field != "type" && field != "expected_version" {
			if text = readOptional(v); text != nil {
				text = readBytes(text)
			}
		}
		switch field {
		case "type":
			if r.typeFault = f; f == nil {
				r.typ = readBytes(v)
			}
		case "expected_version":
			if n := readOptional(v); n != nil && f == nil {
				version := readLong(n)
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
		branch, body := readBranch(data)
		if branch != r.codec.branch {
			holds := a.commands.latest.Type.Field("data").Type.Branches[branch].ShortName()
			r.note(faultf("holds a %s, but type is %q", holds, r.codec.spec.Name).in("data"))
			break
		}
		if r.slot = e.slot(branch); r.slot != r.codec.slot {
			r.body = body
			break
		}
		var f *fault
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
		r.note(faultf("is missing").in("type"))
	default:
		if r.codec = a.commandOf[string(r.typ)]; r.codec == nil {
			r.note(faultf("%q is not a command of %s", clip(string(r.typ)), a.spec.Name).in("type"))
		}
	}
}

// withoutData names a field of the data as HTTP does, where the data is the whole body.
func withoutData(f *fault) *fault {
	const prefix = "data."
	if len(f.path) > len(prefix) && f.path[:len(prefix)] == prefix {
		f.path = f.path[len(prefix):]
	}
	return f
}
