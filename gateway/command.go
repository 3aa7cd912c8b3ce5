package gateway

import (
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/topology"
)

// Command is an intent from outside.
type Command struct {
	// Aggregate is the aggregate type, ID the aggregate's id, Name the command's name.
	Aggregate, ID, Name string
	// CommandID identifies the command for ever. It is needed: a door tells its client the id even
	// if Send fails.
	CommandID string
	// CorrelationID is the conversation's id; default the command's id.
	CorrelationID string
	// ExpectedVersion, if not nil, is the version that the aggregate must have; 0 means that it
	// must not exist yet.
	ExpectedVersion *int64
	// Identity names the sender of the command.
	Identity Identity
	// Traceparent is the trace to pass on (W3C Trace Context). A wrong one is ignored.
	Traceparent string
	// Body has the command's fields as a JSON object.
	Body []byte
}

// Identity is the sender of a command, as far as the door has verified it. The zero value names
// nobody, as other producers of the commands topic do.
type Identity struct {
	// Actor is the name under which events remember the sender.
	Actor string
}

// Anonymous is the identity of a client that did not identify itself.
var Anonymous = Identity{Actor: codecs.AnonymousActor}

// Check returns a rejection unless the command is declared for clients. Commands that only policies
// send are hidden.
func Check(t *topology.Topology, aggregate, command string) error {
	spec := t.Aggregate(aggregate)
	if spec == nil {
		return foldlog.Reject(foldlog.CodeNotFound, "there is no aggregate type %q", aggregate)
	}
	if c, declared := spec.Command(command); !declared || c.Private {
		return foldlog.Reject(foldlog.CodeNotFound, "%s has no command %q", aggregate, command)
	}
	return nil
}

// record checks the command and makes it a record of the commands topic.
func (g *Gateway) record(c Command) (*kgo.Record, error) {
	if err := g.check(c); err != nil {
		return nil, err
	}
	value, err := g.encode(c)
	if err != nil {
		return nil, err
	}
	if len(value) > topology.MaxCommandBytes {
		return nil, ErrTooLarge
	}
	record := &kgo.Record{
		Topic:   g.config.Names.Commands(c.Aggregate),
		Key:     []byte(c.ID),
		Value:   value,
		Headers: []kgo.RecordHeader{{Key: codecs.HeaderContentType, Value: []byte(codecs.ContentTypeAvro)}},
	}
	if c.Identity.Actor != "" {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: codecs.HeaderActor, Value: []byte(c.Identity.Actor)})
	}
	record.Headers = append(record.Headers, codecs.TraceHeaders([]byte(c.Traceparent))...)
	return record, nil
}

// check makes the checks that need no schema of the command.
func (g *Gateway) check(c Command) error {
	if err := Check(g.config.Topology, c.Aggregate, c.Name); err != nil {
		return err
	}
	if err := foldlog.CheckAggregateID(c.ID); err != nil {
		return err
	}
	if err := foldlog.CheckCommandID(c.CommandID); err != nil {
		return err
	}
	if c.CorrelationID != "" {
		if rejection, bad := foldlog.AsRejection(foldlog.CheckCommandID(c.CorrelationID)); bad {
			return foldlog.InvalidField("correlation_id", "%s", rejection.Message)
		}
	}
	switch {
	case c.ExpectedVersion != nil && *c.ExpectedVersion < 0:
		return foldlog.InvalidField("expected_version", "must not be negative")
	case len(c.Body) > topology.MaxCommandBytes:
		return ErrTooLarge
	case !utf8.Valid(c.Body):
		return foldlog.Reject(foldlog.CodeMalformed, "the body is not UTF-8")
	}
	return nil
}

// encode is the one place in which a command's JSON becomes Avro.
func (g *Gateway) encode(c Command) ([]byte, error) {
	codec := g.config.Codecs.Aggregate(c.Aggregate)
	return codec.EncodeJSON(c.Name, c.Body, foldlog.Command[any]{
		Meta:            foldlog.Meta{AggregateID: c.ID, CommandID: c.CommandID, CorrelationID: c.CorrelationID, Actor: c.Identity.Actor},
		ExpectedVersion: c.ExpectedVersion,
	})
}
