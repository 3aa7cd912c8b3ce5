package codecs

import (
	"fmt"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/avro"
)

// EncodeCommand returns the value of a command's record in Avro. The data is a value of a declared
// Go type. How large a record may be is for the writer to check. Actor is written as it is; who
// vouches for it says so in [HeaderActor].
func (a *Aggregate) EncodeCommand(cmd foldlog.Command[any]) ([]byte, error) {
	codec := a.commandFor(cmd.Data)
	if codec == nil {
		return nil, fmt.Errorf("encode command for %s %s: %T is not declared as a command", a.spec.Name, cmd.AggregateID, cmd.Data)
	}
	err := checkTexts(cmd.CommandID, cmd.AggregateID, cmd.CorrelationID, cmd.CausationID, cmd.Actor)
	dst := avro.AppendPrefix(make([]byte, 0, 256), a.commands.id)
	for _, field := range a.commandLayout {
		switch field {
		case "command_id":
			dst = avro.AppendOptionalString(dst, cmd.CommandID)
		case "type":
			dst = avro.AppendString(dst, codec.spec.Name)
		case "aggregate_id":
			dst = avro.AppendOptionalString(dst, cmd.AggregateID)
		case "expected_version":
			dst = append(dst, 0)
			if cmd.ExpectedVersion != nil {
				dst[len(dst)-1] = 2
				dst = avro.AppendLong(dst, *cmd.ExpectedVersion)
			}
		case "correlation_id":
			dst = avro.AppendOptionalString(dst, cmd.CorrelationID)
		case "causation_id":
			dst = avro.AppendOptionalString(dst, cmd.CausationID)
		case "actor":
			dst = avro.AppendOptionalString(dst, cmd.Actor)
		case "data":
			if err == nil {
				dst, err = codec.binding.Append(avro.AppendLong(dst, int64(codec.branch)), cmd.Data)
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("encode command %s for %s %s: %w", codec.spec.Name, a.spec.Name, cmd.AggregateID, err)
	}
	return dst, nil
}
