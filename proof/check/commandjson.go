package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// members calls f for the members of a JSON object, in the order of the text.
func members(object []byte, f func(name string, value json.RawMessage)) error {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		text, _ := name.(string)
		f(text, value)
	}
	return nil
}

// escapes finds the escapes of a JSON string.
var escapes = regexp.MustCompile(`\\(u[0-9a-fA-F]{4}|.)`)

// hasHalfPair reports whether a JSON string has half of a surrogate pair, which is no character.
func hasHalfPair(quoted []byte) bool {
	open := -1 // the end of a high half that waits for its low half
	for _, at := range escapes.FindAllSubmatchIndex(quoted, -1) {
		escape := string(quoted[at[2]:at[3]])
		unit := uint64(0)
		if escape[0] == 'u' {
			unit, _ = strconv.ParseUint(escape[1:], 16, 32)
		}
		low := unit >= 0xdc00 && unit < 0xe000
		if paired := low && open == at[0]; low != paired || open >= 0 && !paired {
			return true
		}
		if open = -1; unit >= 0xd800 && unit < 0xdc00 {
			open = at[1]
		}
	}
	return open >= 0
}

func jsonText(value json.RawMessage) (s string, ok bool) {
	if len(value) == 0 || value[0] != '"' || hasHalfPair(value) {
		return "", false
	}
	return s, json.Unmarshal(value, &s) == nil
}

func jsonNumber(value json.RawMessage) (int64, bool) {
	if bytes.ContainsAny(value, ".eE") {
		return 0, false
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	return n, err == nil && value[0] != '+'
}

// readJSONCommand reads a command's envelope. The error says why it is none.
func readJSONCommand(aggregate string, value []byte) (*envelope, error) {
	if !utf8.Valid(value) || !json.Valid(value) {
		return nil, errors.New("it is not JSON")
	}
	e := &envelope{}
	var data json.RawMessage
	texts := map[string]*envelopeText{
		"command_id": &e.commandID, "type": &e.kind, "aggregate_id": &e.aggregateID, "correlation_id": &e.correlation,
		"causation_id": &e.causation, "actor": &e.actor,
	}
	seen := map[string]bool{}
	err := members(value, func(name string, member json.RawMessage) {
		text := texts[name]
		switch {
		case seen[name] && (name == "command_id" || name == "aggregate_id"):
			text.fault = true
		case seen[name]:
			e.fault = true
		case text != nil:
			if string(member) != "null" {
				text.text, text.given = jsonText(member)
				text.fault = !text.given
			}
		case name == "expected_version":
			if string(member) != "null" {
				e.expected, e.expects = jsonNumber(member)
				e.fault = e.fault || !e.expects
			}
		case name == "data":
			data = member
		default:
			e.fault = true
		}
		seen[name] = true
	})
	if err != nil {
		return nil, err
	}
	fields, known := commandForms[aggregate][e.kind.text]
	if known && !e.kind.fault && data != nil {
		e.payload, e.readable = readJSONData(fields, data)
	}
	return e, nil
}

// readJSONData reads the fields of a command; ok is false if they have not its form.
func readJSONData(fields []field, data json.RawMessage) (p payload, ok bool) {
	given := map[string]json.RawMessage{}
	ok = true
	err := members(data, func(name string, value json.RawMessage) {
		if _, twice := given[name]; twice {
			ok = false
		}
		given[name] = value
	})
	if old, has := given["holder"]; has && given["holder_id"] == nil && given["holder_name"] == nil && slices.Contains(fields, holderIDField) {
		given["holder_id"], given["holder_name"] = old, old
		delete(given, "holder")
	}
	for _, f := range fields {
		value, has := given[f.name]
		delete(given, f.name)
		sound := true
		switch {
		case !has:
			sound = f.optional
			p.leaveOut(f)
		case f.form == number:
			*p.numberAt(f.name), sound = jsonNumber(value)
		case f.form == optionalText && string(value) == "null":
		case f.form == optionalText:
			*p.textAt(f.name), sound = jsonText(value)
			p.booked = sound
		default:
			*p.textAt(f.name), sound = jsonText(value)
		}
		ok = ok && sound
	}
	return p, ok && err == nil && len(given) == 0 && strings.HasPrefix(string(bytes.TrimSpace(data)), "{")
}
