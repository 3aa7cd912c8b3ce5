package codecs

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/avro"
)

// raw is a command taken apart: the common part of JSON and Avro. Absent texts are nil. A fault
// belongs to the field that it is named after.
type raw struct {
	typ, commandID, aggregateID, correlationID, causationID, actor                            []byte
	typeFault, commandIDFault, aggregateIDFault, correlationFault, causationFault, actorFault *avro.Fault

	expected *int64
	codec    *commandCodec // nil where the type is unknown
	// canonical bytes of the data, nil where there is something wrong with it
	body []byte
	slot *slot // reads the body
	// The canonical bytes of the data; nil if they have a fault.
	problem *avro.Fault
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
	case r.commandIDFault != nil:
		return r.commandIDFault
	case r.commandID != nil:
		meta.CommandID = string(r.commandID)
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
		if r.aggregateIDFault != nil {
			r.note(r.aggregateIDFault)
		} else if r.aggregateID != nil && string(r.aggregateID) != meta.AggregateID {
			r.noteError("aggregate_id", foldlog.CheckAggregateID(string(r.aggregateID)))
		}
		return nil
	}
	switch {
	case r.aggregateIDFault != nil:
		return r.aggregateIDFault
	case r.aggregateID == nil:
		return errors.New("the record has neither a key nor an aggregate_id")
	}
	meta.AggregateID = string(r.aggregateID)
	return foldlog.CheckAggregateID(meta.AggregateID)
}

// fillMeta fills in correlation, causation and actor, and notes their faults.
func (r *raw) fillMeta(meta *foldlog.Meta, rec *Record) {
	meta.CorrelationID = r.id("correlation_id", r.correlationID, r.correlationFault, meta.CommandID)
	meta.CausationID = r.id("causation_id", r.causationID, r.causationFault, "")
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
	case r.actorFault != nil:
		r.note(r.actorFault)
	case len(r.actor) > 0:
		if f := checkActor(r.actor); f != nil {
			r.note(f)
			return
		}
		meta.Actor = ClaimedActorPrefix + string(r.actor)
	}
}

// id returns the text if it is a sound id, and otherwise the substitute.
func (r *raw) id(name string, text []byte, f *avro.Fault, otherwise string) string {
	switch {
	case f != nil:
		r.note(f)
		return otherwise
	case text == nil || string(text) == otherwise: // most often the command's own id
		return otherwise
	}
	id := string(text)
	if err := foldlog.CheckCommandID(id); err != nil {
		r.noteError(name, err)
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
