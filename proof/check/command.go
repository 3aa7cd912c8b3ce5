package check

import (
	"crypto/sha256"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/foldlog/foldlog/proof/history"
)

// command is a record of a commands topic, as the contract reads it.
type command struct {
	spot
	time     int64 // milliseconds
	key      string
	digest   [32]byte // of the value
	hasValue bool
	// bad says why neither an outcome nor a decision is possible; "" if one is.
	bad string
	// problem is the code of what is wrong with it whatever the state; "" for nothing.
	problem                                   string
	id, aggregateID, kind, correlation, actor string
	causation                                 string
	expected                                  int64
	expects                                   bool
	payload
	same [32]byte // two commands with one id are the same if this is
	// origin is where a forwarded copy says that it stood at first.
	origin      string
	forwarded   bool
	traceparent string
}

// envelopeText is a text of the envelope.
type envelopeText struct {
	text  string
	given bool
	fault bool // given, and not a text that can be used
}

// envelope is what JSON and Avro have in common.
type envelope struct {
	kind, commandID, aggregateID, correlation, causation, actor envelopeText
	expected                                                    int64
	expects                                                     bool
	// something that is answered with invalid_field
	fault bool
	// type is known and data has its form
	readable bool
	payload
}

func (d *dump) decodeCommand(aggregate, topic string, r *history.Record) *command {
	c := &command{spot: spotOf(r), time: r.Time, key: d.intern(string(r.Key)), digest: digestOf(r.Value), hasValue: r.Value != nil}
	c.traceparent, _ = header(r, headerTraceparent)
	originTopic, forwarded := header(r, headerOrigin+"topic")
	originPartition, hasPartition := header(r, headerOrigin+"partition")
	originOffset, hasOffset := header(r, headerOrigin+"offset")
	c.forwarded = forwarded
	place := c.in(topic)
	if forwarded && hasPartition && hasOffset {
		c.origin = originTopic + "/" + originPartition + "/" + originOffset
		place = c.origin
	}
	switch {
	case r.Value == nil:
		c.bad = "it has no value"
	case len(r.Value) > maxCommandBytes:
		c.bad = "it is too large"
	case c.key != "" && whyNoAggregateID(c.key) != "":
		c.bad = "its key is no aggregate id"
	}
	if c.bad != "" {
		return c
	}
	var e *envelope
	var err error
	if isJSON(r) {
		e, err = readJSONCommand(aggregate, r.Value)
	} else {
		e, err = d.readAvroCommand(aggregate, r.Value)
	}
	if err != nil {
		c.bad = err.Error()
		return c
	}
	c.fill(e, r, strings.ReplaceAll(place, "/", "-"))
	c.payload = d.interned(c.payload)
	c.aggregateID, c.id, c.kind, c.actor = d.intern(c.aggregateID), d.intern(c.id), d.intern(c.kind), d.intern(c.actor)
	c.correlation, c.causation = d.intern(c.correlation), d.intern(c.causation)
	return c
}

func isJSON(r *history.Record) bool {
	content, _ := header(r, headerContentType)
	if media, _, err := mime.ParseMediaType(content); err == nil {
		switch {
		case media == "application/json" || strings.HasSuffix(media, "+json"):
			return true
		case media == "application/avro" || media == "avro/binary" || strings.HasSuffix(media, "+avro"):
			return false
		}
	}
	return len(r.Value) == 0 || r.Value[0] != 0
}

// fill completes what was read and decides what is wrong with it.
func (c *command) fill(e *envelope, r *history.Record, place string) {
	c.id = place
	if len(c.id) > maxIDLength {
		c.id = c.id[len(c.id)-maxIDLength:]
	}
	if e.commandID.given {
		c.id = e.commandID.text
	}
	c.aggregateID = c.key
	if c.key == "" {
		c.aggregateID = e.aggregateID.text
	}
	switch {
	case e.commandID.fault || !soundCommandID(c.id):
		c.bad = "its command id cannot be read"
	case c.key == "" && (e.aggregateID.fault || whyNoAggregateID(c.aggregateID) != ""):
		c.bad = "its aggregate id cannot be read"
	}
	if c.bad != "" {
		return
	}
	invalid := e.fault
	differs := c.key != "" && e.aggregateID.given && e.aggregateID.text != c.key
	if c.key != "" && (e.aggregateID.fault || differs && whyNoAggregateID(e.aggregateID.text) != "") {
		invalid = true
	}
	c.correlation, c.causation = c.id, ""
	for _, one := range []struct {
		from envelopeText
		to   *string
	}{{e.correlation, &c.correlation}, {e.causation, &c.causation}} {
		switch {
		case one.from.fault:
			invalid = true
		case !one.from.given || one.from.text == *one.to:
		case !soundCommandID(one.from.text):
			invalid = true
		default:
			*one.to = one.from.text
		}
	}
	if c.actor = "anonymous"; !c.fillActor(e, r) {
		invalid = true
	}
	c.kind = e.kind.text
	if len(c.kind) > maxIDLength {
		c.kind = c.kind[:maxIDLength]
	}
	c.kind = strings.ToValidUTF8(c.kind, "")
	c.expected, c.expects = e.expected, e.expects
	if c.expects && c.expected < 0 {
		invalid = true
	}
	c.payload = e.payload
	c.same = sha256.Sum256(append([]byte("value:"), r.Value...))
	if e.readable {
		c.same = sha256.Sum256(fmt.Appendf(nil, "data:%s:%#v:%v:%d", c.kind, e.payload, c.expects, c.expected))
		invalid = invalid || whyInvalid(c.kind, e.payload) != ""
	}
	switch {
	case invalid || !e.readable:
		c.problem = "invalid_field"
	case differs:
		c.problem = "key_mismatch"
	}
}

// fillActor sets the actor, and reports whether it is sound.
func (c *command) fillActor(e *envelope, r *history.Record) bool {
	sound := func(s string) bool { return len(s) <= maxIDLength && utf8.ValidString(s) }
	vouched, _ := header(r, headerActor)
	switch {
	case vouched != "" && sound(vouched):
		c.actor = vouched
	case vouched != "" || e.actor.fault || !sound(e.actor.text):
		return false
	case e.actor.text != "":
		c.actor = "claimed:" + e.actor.text
	}
	return true
}

func (d *dump) readAvroCommand(aggregate string, value []byte) (*envelope, error) {
	raw, _, err := d.schemas.decode(value)
	if err != nil {
		return nil, err
	}
	a := &avroFields{fields: raw}
	e := &envelope{}
	optional := func(name string) (t envelopeText) {
		t.text, t.given = a.optional(name)
		t.fault = !utf8.ValidString(t.text)
		return t
	}
	e.commandID, e.aggregateID, e.correlation = optional("command_id"), optional("aggregate_id"), optional("correlation_id")
	e.causation, e.actor = optional("causation_id"), optional("actor")
	e.kind = envelopeText{text: a.text("type"), given: true}
	branch, data := a.branch("data")
	switch v := raw["expected_version"].(type) {
	case nil:
	case map[string]any:
		if e.expected, e.expects = v["long"].(int64); !e.expects {
			a.fail("expected_version")
		}
	}
	if a.err != nil {
		return nil, a.err
	}
	fields, known := commandForms[aggregate][e.kind.text]
	if !known || recordNames[e.kind.text] != branch {
		return e, nil
	}
	data, err = commandToday(data)
	if err != nil {
		return e, nil // a copy that is none: invalid_field
	}
	inner := &avroFields{fields: data}
	e.payload = inner.payload(fields)
	if inner.err != nil {
		return nil, inner.err
	}
	e.readable = true
	for _, f := range fields {
		if f.form != number && !utf8.ValidString(*e.textAt(f.name)) {
			e.readable = false
		}
	}
	return e, nil
}
