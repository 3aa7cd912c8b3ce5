package edge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/topology"
)

// command writes the command to the log and answers with its outcome.
func (s *Server) command(w http.ResponseWriter, r *http.Request, p params) error {
	ctx, cancel := bounded(r, s.config.OutcomeTimeout)
	defer cancel()
	if err := foldlog.CheckAggregateID(p["id"]); err != nil {
		return err
	}
	if _, err := queryOf(r.URL); err != nil {
		return err
	}
	commandID, err := commandIDOf(r.Header)
	if err != nil {
		return err
	}
	outcome, err := s.execute(ctx, r, p["aggregate"], p["id"], p["command"], commandID)
	if err != nil {
		if f := failureOf(r.Context(), err); f != nil {
			f.commandID = commandID
			return f
		}
		return err
	}
	return s.answerOutcome(w, outcome)
}

func (s *Server) execute(ctx context.Context, r *http.Request, aggregate, id, command, commandID string) (foldlog.Outcome, error) {
	record, err := s.recordOf(r, aggregate, id, command, commandID)
	if err != nil {
		return foldlog.Outcome{}, err
	}
	expectation := s.config.Views.Outcomes(aggregate).Expect(id, commandID)
	defer expectation.Close()
	if err := s.log.append(ctx, record); err != nil {
		return foldlog.Outcome{}, s.unwritten(r, err)
	}
	outcome, err := expectation.Wait(ctx, foldlog.Position{Aggregate: aggregate, Partition: record.Partition, Offset: record.Offset})
	if err != nil {
		if r.Context().Err() != nil {
			return foldlog.Outcome{}, r.Context().Err()
		}
		return foldlog.Outcome{}, fail(foldlog.CodeOutcomeUnknown,
			"the command is in the log, but its outcome did not come in time; ask for it or send the same Idempotency-Key again").because(err)
	}
	return outcome, nil
}

// recordOf reads the request into a record of the commands topic. All of its errors mean that
// nothing was written.
func (s *Server) recordOf(r *http.Request, aggregate, id, command, commandID string) (*kgo.Record, error) {
	expected, err := expectedVersionOf(r.Header)
	if err != nil {
		return nil, err
	}
	correlationID, _, err := idHeader(r.Header, HeaderCorrelationID)
	if err != nil {
		return nil, err
	}
	body, err := jsonBodyOf(r)
	if err != nil {
		return nil, err
	}
	codec := s.config.Codecs.Aggregate(aggregate)
	data, rejection := codec.ParseJSON(command, body)
	if rejection != nil {
		return nil, rejection
	}
	value, err := codec.EncodeCommand(foldlog.Command[any]{
		Meta:            foldlog.Meta{AggregateID: id, CommandID: commandID, CorrelationID: correlationID, Actor: codecs.AnonymousActor},
		ExpectedVersion: expected,
		Data:            data,
	})
	if err != nil {
		return nil, err
	}
	if len(value) > topology.MaxCommandBytes {
		return nil, tooLarge()
	}
	record := &kgo.Record{
		Topic: s.config.Names.Commands(aggregate),
		Key:   []byte(id),
		Value: value,
		Headers: []kgo.RecordHeader{
			{Key: codecs.HeaderContentType, Value: []byte(codecs.ContentTypeAvro)},
			{Key: codecs.HeaderActor, Value: []byte(codecs.AnonymousActor)},
		},
	}
	if trace := traceparentOf(r.Header); trace != "" {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: codecs.HeaderTraceparent, Value: []byte(trace)})
	}
	return record, nil
}

// unwritten says what a failure to write means for the client.
func (s *Server) unwritten(r *http.Request, err error) error {
	switch {
	case errors.Is(err, errRecordTooLarge):
		return tooLarge().because(err)
	case errors.Is(err, errNothingWritten):
		return fail(CodeUnavailable, "the log cannot be reached; nothing was written").because(err)
	case r.Context().Err() != nil:
		return r.Context().Err()
	}
	return fail(foldlog.CodeOutcomeUnknown,
		"the log did not confirm the command in time, so it may be executed or not; send the same Idempotency-Key again").because(err)
}

// accepted is the body of an accepted command.
type accepted struct {
	CommandID    string    `json:"command_id"`
	Accepted     bool      `json:"accepted"`
	FirstVersion int64     `json:"first_version"`
	Version      int64     `json:"version"`
	EventIDs     []string  `json:"event_ids"`
	RecordedAt   time.Time `json:"recorded_at"`
	Token        string    `json:"token,omitempty"`
	Repeat       bool      `json:"repeat,omitempty"`
}

func acceptedOf(o foldlog.Outcome) accepted {
	ids := o.EventIDs
	if ids == nil {
		ids = []string{} // [] in JSON, not null
	}
	return accepted{CommandID: o.CommandID, Accepted: true, FirstVersion: o.FirstVersion, Version: o.Version, EventIDs: ids,
		RecordedAt: o.RecordedAt.UTC(), Token: o.Token().String(), Repeat: o.Repeat}
}

func (s *Server) answerOutcome(w http.ResponseWriter, o foldlog.Outcome) error {
	if rejection := o.Rejection(); rejection != nil {
		f := &failure{code: rejection.Code, detail: rejection.Message, field: rejection.Field, commandID: o.CommandID, recorded: true, repeat: o.Repeat}
		if rejection.Code == foldlog.CodeInternal {
			f.cause = rejection
		}
		return f
	}
	w.Header().Set("Cache-Control", "no-store")
	return answer(w, acceptedOf(o))
}
