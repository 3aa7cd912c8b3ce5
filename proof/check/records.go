package check

import (
	"crypto/sha256"
	"fmt"
	"strconv"

	"github.com/foldlog/foldlog/proof/history"
)

// spot is a place within a topic.
type spot struct {
	partition int32
	offset    int64
}

func (s spot) before(o spot) bool {
	return s.partition < o.partition || s.partition == o.partition && s.offset < o.offset
}

func (s spot) in(topic string) string { return fmt.Sprintf("%s/%d/%d", topic, s.partition, s.offset) }

// event is a record of an events topic.
type event struct {
	spot
	key  string
	kind string
	payload
	id, aggregateID, commandID, correlationID, causationID, actor string
	version, recordedAt                                           int64
	cause                                                         spot
	causeText, progress                                           string
	chain                                                         []byte
	value                                                         []byte
	traceparent                                                   string
	// what is wrong with the CloudEvents headers; "" for nothing
	copies string
}

// outcome is a record of an outcomes topic.
type outcome struct {
	spot
	key                                 string
	commandID, aggregateID, commandType string
	accepted, repeat                    bool
	firstVersion, version, recordedAt   int64
	eventIDs                            []string
	code, correlationID                 string
	actor                               string
	namesActor                          bool // its schema has an actor
	command                             spot // the place that the record names
	// the place in the header: the command record that is answered
	cause spot
}

// deadLetter is a record of a dead letter topic.
type deadLetter struct {
	spot
	topic      string // of the dead letter
	key        string
	digest     [32]byte
	hasValue   bool
	truncated  bool
	source     string // topic
	place      spot   // in the source
	timestamp  string
	group      string
	coordinate error
}

// header returns the value of a record's header; of several the last one.
func header(r *history.Record, name string) (value string, ok bool) {
	for _, h := range r.Headers {
		if string(h[0]) == name {
			value, ok = string(h[1]), true
		}
	}
	return value, ok
}

func spotOf(r *history.Record) spot { return spot{r.Partition, r.Offset} }

func digestOf(value []byte) [32]byte { return sha256.Sum256(value) }

func (d *dump) decodeEvent(aggregate string, r *history.Record) (*event, error) {
	raw, _, err := d.schemas.decode(r.Value)
	if err != nil {
		return nil, err
	}
	a := &avroFields{fields: raw}
	e := &event{
		spot: spotOf(r), key: d.intern(string(r.Key)), id: a.text("event_id"), aggregateID: d.intern(a.text("aggregate_id")), version: a.long("version"),
		recordedAt: a.long("recorded_at"), commandID: d.intern(a.text("command_id")), correlationID: d.intern(a.text("correlation_id")),
		actor: d.intern(a.text("actor")), value: r.Value,
	}
	e.causationID, _ = a.optional("causation_id")
	e.causationID = d.intern(e.causationID)
	kind := a.text("event_type")
	branch, data := a.branch("data")
	fields, known := eventForms[aggregate][branch]
	switch {
	case a.err != nil:
		return nil, a.err
	case !known:
		return nil, fmt.Errorf("event %q is unknown", branch)
	case kind != branch:
		return nil, fmt.Errorf("event_type is %q, data is a %s", kind, branch)
	}
	inner := &avroFields{fields: data}
	e.kind, e.payload = d.intern(branch), d.interned(inner.payload(fields))
	if inner.err != nil {
		return nil, inner.err
	}
	if text, ok := header(r, headerCause); ok {
		e.causeText = text
		if p, sound := parsePosition(text); sound && p.Aggregate == aggregate {
			e.cause = spot{p.Partition, p.Offset}
		} else {
			return nil, fmt.Errorf("header %s is %q", headerCause, text)
		}
	} else {
		return nil, fmt.Errorf("has no header %s", headerCause)
	}
	if chain, ok := header(r, headerChain); ok {
		e.chain = []byte(chain)
	}
	e.progress, _ = header(r, headerProgress)
	e.traceparent, _ = header(r, headerTraceparent)
	e.copies = wrongCopies(aggregate, e, r)
	return e, nil
}

// wrongCopies says which CloudEvents header differs from the envelope.
func wrongCopies(aggregate string, e *event, r *history.Record) string {
	for _, want := range [][2]string{
		{headerContentType, "application/avro"}, {"ce_specversion", "1.0"}, {"ce_id", e.id}, {"ce_source", "/foldlog/bank/" + aggregate},
		{"ce_type", e.kind}, {"ce_subject", e.aggregateID},
	} {
		if got, _ := header(r, want[0]); got != want[1] {
			return fmt.Sprintf("%s is %q, not %q", want[0], got, want[1])
		}
	}
	if text, _ := header(r, "ce_time"); microsOf(text) != e.recordedAt {
		return fmt.Sprintf("ce_time is %q, not %d", text, e.recordedAt)
	}
	return ""
}

func (d *dump) decodeOutcome(aggregate string, r *history.Record) (*outcome, error) {
	raw, _, err := d.schemas.decode(r.Value)
	if err != nil {
		return nil, err
	}
	a := &avroFields{fields: raw}
	o := &outcome{
		spot: spotOf(r), key: d.intern(string(r.Key)), commandID: d.intern(a.text("command_id")), aggregateID: d.intern(a.text("aggregate_id")),
		commandType: d.intern(a.text("command_type")), accepted: a.flag("accepted"), repeat: a.flag("repeat"), firstVersion: a.long("first_version"),
		version: a.long("version"), recordedAt: a.long("recorded_at"), correlationID: d.intern(a.text("correlation_id")),
		command: spot{int32(a.long("command_partition")), a.long("command_offset")},
	}
	if len(a.bytes("payload_hash")) != sha256.Size {
		a.fail("payload_hash")
	}
	o.code, _ = a.optional("code")
	o.code = d.intern(o.code)
	if _, o.namesActor = raw["actor"]; o.namesActor {
		o.actor, _ = a.optional("actor")
		o.actor = d.intern(o.actor)
	}
	ids, _ := raw["event_ids"].([]any)
	for _, id := range ids {
		s, _ := id.(string)
		o.eventIDs = append(o.eventIDs, s)
	}
	if a.err != nil {
		return nil, a.err
	}
	text, _ := header(r, headerCause)
	p, sound := parsePosition(text)
	if !sound || p.Aggregate != aggregate {
		return nil, fmt.Errorf("header %s is %q", headerCause, text)
	}
	o.cause = spot{p.Partition, p.Offset}
	return o, nil
}

func (d *dump) decodeDeadLetter(topic string, r *history.Record) *deadLetter {
	l := &deadLetter{spot: spotOf(r), topic: topic, key: string(r.Key), digest: digestOf(r.Value), hasValue: r.Value != nil}
	get := func(name string) string {
		v, ok := header(r, headerDeadLetter+name)
		if !ok && name != "truncated" && l.coordinate == nil {
			l.coordinate = fmt.Errorf("has no header %s", headerDeadLetter+name)
		}
		return v
	}
	l.source, l.group, l.timestamp, l.truncated = get("topic"), get("group"), get("timestamp"), get("truncated") == "true"
	_ = get("cause")
	partition, err1 := strconv.ParseInt(get("partition"), 10, 32)
	offset, err2 := strconv.ParseInt(get("offset"), 10, 64)
	if l.coordinate == nil && (err1 != nil || err2 != nil) {
		l.coordinate = fmt.Errorf("its partition and offset are no numbers")
	}
	l.place = spot{int32(partition), offset}
	return l
}
