package codecs

import (
	"fmt"
	"reflect"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/avro"
)

// EncodeCommand returns the value of a command's record in Avro. The data is a value of a declared
// Go type. The writer checks the size of the record. Actor is written unchanged; a writer that
// vouches for it says so in [HeaderActor].
func (a *Aggregate) EncodeCommand(cmd foldlog.Command[any]) ([]byte, error) {
	codec := a.commandType[reflect.TypeOf(cmd.Data)]
	if codec == nil {
		return nil, fmt.Errorf("encode command for %s %s: %T is not declared as a command", a.spec.Name, cmd.AggregateID, cmd.Data)
	}
	return a.encodeCommand(codec, cmd, nil)
}

// EncodeJSON returns the value of a command's record in Avro, as [Aggregate.EncodeCommand] does,
// for a JSON object of the command's fields. The object is read once and strictly
// ([avro.Type.AppendJSON] has the rules); the bytes of that reading are the ones that are written.
// The error is a [*foldlog.Rejection] if the command is refused: its code is malformed if the body
// is no JSON object, invalid_field with the field's path if it does not fit the command's record,
// or what the command's own Validate returned.
func (a *Aggregate) EncodeJSON(name string, body []byte, cmd foldlog.Command[any]) ([]byte, error) {
	codec := a.commandOf[name]
	if codec == nil {
		return nil, foldlog.InvalidField("type", "%q is not a command of %s", avro.Clip(name), a.spec.Name)
	}
	object, err := avro.ScanJSON(body)
	if err != nil {
		return nil, foldlog.Reject(foldlog.CodeMalformed, "the body is not JSON: %v", err)
	}
	if object[0] != '{' {
		return nil, foldlog.Reject(foldlog.CodeMalformed, "the body must be a JSON object with the command's fields, not %s", avro.DescribeJSON(object))
	}
	read, slot, f := codec.readJSON(object)
	if f != nil {
		return nil, foldlog.InvalidField(f.Path, "%s", f.Message)
	}
	if cmd.Data, err = slot.decode(read); err != nil {
		return nil, foldlog.Reject(foldlog.CodeInternal, "%v", err)
	}
	if rejection := validate(cmd.Data); rejection != nil {
		return nil, rejection
	}
	if slot != codec.slot {
		read = nil // an old form, which the upcasts have made today's value
	}
	return a.encodeCommand(codec, cmd, read)
}

// encodeCommand writes a command. read has the data's canonical bytes, or nil if they are to be
// made of the Go value.
func (a *Aggregate) encodeCommand(codec *commandCodec, cmd foldlog.Command[any], read []byte) ([]byte, error) {
	err := checkTexts(cmd.CommandID, cmd.AggregateID, cmd.CorrelationID, cmd.CausationID, cmd.Actor)
	dst := avro.AppendPrefix(make([]byte, 0, 256), a.commands.id)
	texts := [...]string{
		fieldCommandID: cmd.CommandID, fieldAggregateID: cmd.AggregateID, fieldCorrelationID: cmd.CorrelationID,
		fieldCausationID: cmd.CausationID, fieldActor: cmd.Actor,
	}
	for _, field := range a.commandLayout {
		switch field {
		default:
			dst = avro.AppendOptionalString(dst, texts[field])
		case fieldType:
			dst = avro.AppendString(dst, codec.spec.Name)
		case fieldExpectedVersion:
			dst = append(dst, 0)
			if cmd.ExpectedVersion != nil {
				dst[len(dst)-1] = 2
				dst = avro.AppendLong(dst, *cmd.ExpectedVersion)
			}
		case fieldData:
			dst = avro.AppendLong(dst, int64(codec.branch))
			switch {
			case err != nil:
			case read != nil:
				dst, err = codec.binding.AppendChecked(dst, read)
			default:
				dst, err = codec.binding.Append(dst, cmd.Data)
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("encode command %s for %s %s: %w", codec.spec.Name, a.spec.Name, cmd.AggregateID, err)
	}
	return dst, nil
}
