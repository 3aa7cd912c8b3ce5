package schemas

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/topology"
)

// EnvelopeField is a field of an envelope: what is around a domain's data.
type EnvelopeField struct{ Name, Type string }

// The envelopes' fields with their types, in a notation for the check and its messages. "?" marks a
// union of null and the type with default null; "record" and "union" stand for the domain's part.
//
// NB: must not change. Records in logs have them, and clients read them by these names.
var (
	// CommandFields are the fields of a command, in JSON, too. Their order is only this list's.
	CommandFields = []EnvelopeField{
		{"command_id", "?string"}, {"type", "string"}, {"aggregate_id", "?string"}, {"expected_version", "?long"},
		{"correlation_id", "?string"}, {"causation_id", "?string"}, {"actor", "?string"}, {"data", "union"},
	}
	eventFields = []EnvelopeField{
		{"event_id", "string"}, {"event_type", "string"}, {"aggregate_id", "string"}, {"version", "long"},
		{"recorded_at", avro.TimestampMicros}, {"command_id", "string"}, {"correlation_id", "string"}, {"causation_id", "?string"},
		{"actor", "string"}, {"data", "union"},
	}
	stateFields = []EnvelopeField{
		{"version", "long"}, {"recorded_at", avro.TimestampMicros}, {"chain", "bytes"}, {"state", "record"},
	}
	outcomeFields = []EnvelopeField{
		{"command_id", "string"}, {"aggregate_id", "string"}, {"command_type", "string"}, {"accepted", "boolean"}, {"first_version", "long"},
		{"version", "long"}, {"event_ids", "array"}, {"code", "?string"}, {"message", "?string"}, {"field", "?string"},
		{"recorded_at", avro.TimestampMicros}, {"correlation_id", "string"}, {"payload_hash", "bytes"}, {"command_partition", "int"},
		{"command_offset", "long"}, {"repeat", "boolean"}, {"actor", "?string"},
	}
)

func checkEnvelope(t *avro.Type, fields []EnvelopeField) []string {
	if t.Kind != avro.Record {
		return []string{fmt.Sprintf("is %s, not a record", t.Describe())}
	}
	var problems []string
	for _, want := range fields {
		f := t.Field(want.Name)
		switch {
		case f == nil:
			problems = append(problems, fmt.Sprintf("the envelope lacks the field %s (%s)", want.Name, want.Type))
		case !hasShape(f, want.Type):
			problems = append(problems, fmt.Sprintf("the envelope's field %s must be %s", want.Name, shapeName(want.Type)))
		}
	}
	for _, f := range t.Fields {
		if !slices.ContainsFunc(fields, func(want EnvelopeField) bool { return want.Name == f.Name }) {
			problems = append(problems, fmt.Sprintf("the envelope has the field %s, which Foldlog does not know; put it into the data", f.Name))
		}
	}
	return problems
}

func hasShape(f *avro.Field, shape string) bool {
	if base, nullable := strings.CutPrefix(shape, "?"); nullable {
		other, nullIndex, ok := f.Type.Nullable()
		return ok && nullIndex == 0 && other.Kind.String() == base && f.HasDefault && f.Default == nil
	}
	if shape == avro.TimestampMicros {
		return f.Type.Kind == avro.Long && f.Type.Logical == avro.TimestampMicros
	}
	return f.Type.Kind.String() == shape && f.Type.Logical == ""
}

func shapeName(shape string) string {
	if base, nullable := strings.CutPrefix(shape, "?"); nullable {
		return fmt.Sprintf(`["null", %q] with default null`, base)
	}
	if shape == avro.TimestampMicros {
		return "long with logicalType " + avro.TimestampMicros
	}
	return "of type " + shape
}

func checkCommands(t *avro.Type, a *topology.AggregateSpec) []string {
	problems := checkEnvelope(t, CommandFields)
	branches, more := dataBranches(t)
	problems = append(problems, more...)
	for _, c := range a.Commands {
		if branches != nil && branches[c.Record()] == nil {
			problems = append(problems, fmt.Sprintf("data has no record %s for the declared command %s", c.Record(), c.Name))
		}
	}
	// A record without a declared command was retired: its old records must stay readable.
	return problems
}

func checkEvents(t *avro.Type, a *topology.AggregateSpec) []string {
	problems := checkEnvelope(t, eventFields)
	branches, more := dataBranches(t)
	problems = append(problems, more...)
	for _, e := range a.Events {
		if branches != nil && branches[e.Name] == nil {
			problems = append(problems, fmt.Sprintf("data has no record %s for the declared event", e.Name))
		}
		delete(branches, e.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(branches)) {
		problems = append(problems, fmt.Sprintf("data has the record %s, which is no declared event: logs keep events for ever, so declare it", name))
	}
	return problems
}

func dataBranches(t *avro.Type) (map[string]*avro.Type, []string) {
	if t.Kind != avro.Record || t.Field("data") == nil || t.Field("data").Type.Kind != avro.Union {
		return nil, nil // already reported
	}
	var problems []string
	branches := map[string]*avro.Type{}
	for _, b := range t.Field("data").Type.Branches {
		switch {
		case b.Kind != avro.Record:
			problems = append(problems, fmt.Sprintf("data may hold records only, not %s", b.Describe()))
			continue
		case branches[b.ShortName()] != nil:
			problems = append(problems, fmt.Sprintf("data has two records named %s", b.ShortName()))
		}
		branches[b.ShortName()] = b
		problems = append(problems, checkRecord(b)...)
	}
	return branches, problems
}

func checkState(t *avro.Type) []string {
	problems := checkEnvelope(t, stateFields)
	if t.Kind == avro.Record {
		if f := t.Field("state"); f != nil && f.Type.Kind == avro.Record {
			problems = append(problems, checkRecord(f.Type)...)
		}
	}
	return problems
}

func checkRow(t *avro.Type) []string {
	if t.Kind != avro.Record {
		return []string{fmt.Sprintf("is %s, not a record", t.Describe())}
	}
	return checkRecord(t)
}

// checkRecord reports the defects of a record of a domain.
func checkRecord(t *avro.Type) []string {
	problems := checkPayload(t, t.ShortName(), map[*avro.Type]bool{})
	for _, f := range t.Fields {
		if f.CopyOf == "" {
			continue
		}
		source := t.Field(f.CopyOf)
		if source == nil || source.CopyOf != "" || !avro.SameForm(source.Type, f.Type) {
			problems = append(problems, fmt.Sprintf("%s.%s: copyOf must name another field of the record that has the same type and is no copy itself, not %q", t.ShortName(),
				f.Name, f.CopyOf))
		}
	}
	return problems
}

// checkPayload reports the parts of a domain's records that some reader would get wrong.
func checkPayload(t *avro.Type, where string, seen map[*avro.Type]bool) (problems []string) {
	if seen[t] {
		return nil
	}
	seen[t] = true
	switch t.Kind {
	case avro.Record:
		for _, f := range t.Fields {
			if f.CopyOf != "" && strings.Contains(where, ".") {
				problems = append(problems, fmt.Sprintf("%s.%s: copyOf is for fields of a whole command, event, state or row, not for those of a record within it", where, f.Name))
			}
			problems = append(problems, checkPayload(f.Type, where+"."+f.Name, seen)...)
		}
	case avro.Array:
		problems = checkPayload(t.Items, where+"[]", seen)
	case avro.Map:
		problems = checkPayload(t.Values, where+"{}", seen)
	case avro.Union:
		other, _, ok := t.Nullable()
		if !ok {
			return []string{where + ": a union must be of null and one other type"}
		}
		problems = checkPayload(other, where, seen)
	case avro.Fixed, avro.Null:
		return []string{fmt.Sprintf("%s: %s is not supported; use bytes or a union of null and a type", where, t.Kind)}
	}
	if t.Foreign != "" {
		problems = append(problems, fmt.Sprintf("%s: logical type %s is not supported; use %s or %s (money is a long of minor units)", where, t.Foreign,
			avro.TimestampMicros, avro.Date))
	}
	return problems
}
