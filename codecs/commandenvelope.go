package codecs

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/schemas"
)

// The fields of a command's envelope, as they stand in [schemas.CommandFields].
const (
	fieldCommandID = iota
	fieldType
	fieldAggregateID
	fieldExpectedVersion
	fieldCorrelationID
	fieldCausationID
	fieldActor
	fieldData
	commandFieldCount
)

// raw is a command taken apart: the common part of JSON and Avro.
type raw struct {
	// fields are the envelope's texts.
	fields [fieldData]struct {
		text  []byte // nil if it is absent
		fault *avro.Fault
	}
	expected *int64
	codec    *commandCodec // nil if the type is unknown
	// body has the canonical bytes of the data, nil if something is wrong with it.
	body []byte
	slot *slot // reads the body
	// problem is the first thing that is wrong with what does not make the command unanswerable.
	problem *avro.Fault
}

// openAvro reads a command's envelope. The result points into what was opened.
func (a *Aggregate) openAvro(e opened) *raw {
	r := &raw{}
	var data []byte
	var dataFault *avro.Fault
	for i, field := range a.commandLayout {
		v, f := e.parts.Values[i], e.parts.Faults[i]
		switch {
		case field == fieldData:
			data, dataFault = v, f
		case field == fieldExpectedVersion && f != nil:
			r.note(f)
		case field == fieldExpectedVersion:
			if n := avro.ReadOptional(v); n != nil {
				version := avro.ReadLong(n)
				r.expected = &version
			}
		case f != nil:
			r.fields[field].fault = f
		case field == fieldType:
			r.fields[field].text = avro.ReadBytes(v)
		default:
			if text := avro.ReadOptional(v); text != nil {
				r.fields[field].text = avro.ReadBytes(text)
			}
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
	var seen [commandFieldCount]bool
	for quoted, member := range avro.Members(object) {
		key, err := avro.Unquote(quoted)
		if err != nil {
			r.note(avro.Faultf("has a field whose name %v", err))
			continue
		}
		i := slices.IndexFunc(schemas.CommandFields, func(f schemas.EnvelopeField) bool { return f.Name == string(key) })
		switch {
		case i < 0:
			r.note(avro.Faultf("is not a field of a command").In(avro.Clip(string(key))))
			continue
		case seen[i]:
			r.repeated(i)
		case i == fieldData:
			data = member
		default:
			r.set(i, member)
		}
		seen[i] = true
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

// repeated notes a field that appears twice. For an id, nobody can tell which of the two is meant.
func (r *raw) repeated(field int) {
	f := avro.Faultf("appears twice").In(schemas.CommandFields[field].Name)
	if field == fieldCommandID || field == fieldAggregateID {
		r.fields[field].fault = f
		return
	}
	r.note(f)
}

var (
	wholeNumber = &avro.Type{Kind: avro.Long}
	someText    = &avro.Type{Kind: avro.String}
)

// set reads one field of the envelope. Null is the same as absent.
func (r *raw) set(field int, member []byte) {
	name := schemas.CommandFields[field].Name
	switch {
	case member[0] == 'n':
	case field == fieldExpectedVersion:
		canonical, f := wholeNumber.AppendJSON(nil, member)
		if f != nil {
			r.note(f.In(name))
			return
		}
		version := avro.ReadLong(canonical)
		r.expected = &version
	case member[0] != '"':
		r.fields[field].fault = someText.Mismatch(member).In(name)
	default:
		text, err := avro.Unquote(member)
		if r.fields[field].text = text; err != nil {
			r.fields[field].fault = avro.Faultf("%v", err).In(name)
		}
	}
}

// find looks up the command's type.
func (r *raw) find(a *Aggregate) {
	switch {
	case r.fields[fieldType].fault != nil:
		r.note(r.fields[fieldType].fault)
	case r.fields[fieldType].text == nil:
		r.note(avro.Faultf("is missing").In("type"))
	default:
		if r.codec = a.commandOf[string(r.fields[fieldType].text)]; r.codec == nil {
			r.note(avro.Faultf("%q is not a command of %s", avro.Clip(string(r.fields[fieldType].text)), a.spec.Name).In("type"))
		}
	}
}

// withoutData drops "data" from the path of a field: over HTTP the data is the whole body.
func withoutData(f *avro.Fault) *avro.Fault {
	if within, ok := strings.CutPrefix(f.Path, "data."); ok && within != "" {
		f.Path = within
	}
	return f
}

func (r *raw) note(f *avro.Fault) {
	if r.problem == nil {
		r.problem = f
	}
}

// fillIDs fills in the command's id and the aggregate's. Without them nobody can be answered, so
// their faults are an error.
func (r *raw) fillIDs(meta *foldlog.Meta, rec *Record) error {
	switch {
	case r.fields[fieldCommandID].fault != nil:
		return r.fields[fieldCommandID].fault
	case r.fields[fieldCommandID].text != nil:
		meta.CommandID = string(r.fields[fieldCommandID].text)
		if err := foldlog.CheckCommandID(meta.CommandID); err != nil {
			return err
		}
	default:
		meta.CommandID = defaultCommandID(rec)
		if err := foldlog.CheckCommandID(meta.CommandID); err != nil {
			return fmt.Errorf("no command_id, and none follows from the record's place: %w", err)
		}
	}
	if len(rec.Key) > 0 {
		meta.AggregateID = string(rec.Key)
		if r.fields[fieldAggregateID].fault != nil {
			r.note(r.fields[fieldAggregateID].fault)
		} else if r.fields[fieldAggregateID].text != nil && string(r.fields[fieldAggregateID].text) != meta.AggregateID {
			r.noteError("aggregate_id", foldlog.CheckAggregateID(string(r.fields[fieldAggregateID].text)))
		}
		return nil
	}
	switch {
	case r.fields[fieldAggregateID].fault != nil:
		return r.fields[fieldAggregateID].fault
	case r.fields[fieldAggregateID].text == nil:
		return errors.New("the record has neither a key nor an aggregate_id")
	}
	meta.AggregateID = string(r.fields[fieldAggregateID].text)
	return foldlog.CheckAggregateID(meta.AggregateID)
}

// fillMeta fills in correlation, causation and actor, and notes their faults.
func (r *raw) fillMeta(meta *foldlog.Meta, rec *Record) {
	meta.CorrelationID = r.id(fieldCorrelationID, meta.CommandID)
	meta.CausationID = r.id(fieldCausationID, "")
	meta.Actor = AnonymousActor
	vouched := rec.Header(HeaderActor)
	switch {
	case string(vouched) == AnonymousActor:
	case len(vouched) > 0:
		if f := checkActor(vouched); f != nil {
			r.note(f)
			return
		}
		meta.Actor = string(vouched)
	case r.fields[fieldActor].fault != nil:
		r.note(r.fields[fieldActor].fault)
	case len(r.fields[fieldActor].text) > 0:
		if f := checkActor(r.fields[fieldActor].text); f != nil {
			r.note(f)
			return
		}
		meta.Actor = ClaimedActorPrefix + string(r.fields[fieldActor].text)
	}
}

// id returns a field's text if it is a sound id, and otherwise the substitute.
func (r *raw) id(field int, otherwise string) string {
	switch f := r.fields[field]; {
	case f.fault != nil:
		r.note(f.fault)
		return otherwise
	case f.text == nil || string(f.text) == otherwise: // most often the command's own id
		return otherwise
	}
	id := string(r.fields[field].text)
	if err := foldlog.CheckCommandID(id); err != nil {
		r.noteError(schemas.CommandFields[field].Name, err)
		return otherwise
	}
	return id
}

// noteError notes a rejection under another field's name. It ignores nil.
func (r *raw) noteError(field string, err error) {
	if rejection, ok := foldlog.AsRejection(err); ok {
		r.note(&avro.Fault{Path: field, Message: rejection.Message})
	}
}

func checkActor(actor []byte) *avro.Fault {
	if len(actor) > foldlog.MaxIDLength || !utf8.Valid(actor) {
		return avro.Faultf("must be valid UTF-8 of at most %d bytes", foldlog.MaxIDLength).In("actor")
	}
	return nil
}

// defaultCommandID returns the id of a command whose sender gave none: its first place in the log.
// The sender knows that place. And a command that is forwarded twice, since the forwarder crashed
// in between, stays one command.
//
// NB: must not change. Outcomes are found by it.
func defaultCommandID(rec *Record) string {
	id := rec.Topic + "-" + strconv.Itoa(int(rec.Partition)) + "-" + strconv.FormatInt(rec.Offset, 10)
	topic, partition, offset := rec.Header(HeaderOriginTopic), rec.Header(HeaderOriginPartition), rec.Header(HeaderOriginOffset)
	if topic != nil && partition != nil && offset != nil {
		id = string(topic) + "-" + string(partition) + "-" + string(offset)
	}
	// A topic's name has up to 249 characters. The end of the id tells its commands apart.
	if len(id) > foldlog.MaxIDLength {
		id = id[len(id)-foldlog.MaxIDLength:]
	}
	return id
}
