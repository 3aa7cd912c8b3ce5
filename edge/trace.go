package edge

import (
	"net/http"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/views"
)

// traceBody is a conversation as a tree: commands, under them their events, under those the
// commands of policies.
//
// NB: must not change. Clients read it by these names.
type traceBody struct {
	ID             string        `json:"id"`
	CorrelationIDs []string      `json:"correlation_ids"`
	Commands       []commandBody `json:"commands"`
	// Truncated says that only the oldest part is here.
	Truncated bool `json:"truncated,omitempty"`
}

type commandBody struct {
	Aggregate     string            `json:"aggregate"`
	AggregateID   string            `json:"aggregate_id"`
	CommandID     string            `json:"command_id"`
	CommandType   string            `json:"command_type,omitempty"`
	CorrelationID string            `json:"correlation_id"`
	Actor         string            `json:"actor,omitempty"`
	RecordedAt    time.Time         `json:"recorded_at"`
	Accepted      bool              `json:"accepted"`
	Code          string            `json:"code,omitempty"`
	Detail        string            `json:"detail,omitempty"`
	Field         string            `json:"field,omitempty"`
	Events        []tracedEventBody `json:"events"`
}

type tracedEventBody struct {
	eventBody
	Commands []commandBody `json:"commands"`
}

// trace answers with the conversations that an id belongs to.
func (s *Server) trace(w http.ResponseWriter, r *http.Request, p params) error {
	id := p["id"]
	if rejection, bad := foldlog.AsRejection(foldlog.CheckCommandID(id)); bad {
		return invalid("id", "%s", rejection.Message)
	}
	ctx, cancel, after, _, err := s.reading(r)
	if err != nil {
		return err
	}
	defer cancel()
	trace, err := s.config.Views.Trace(ctx, id, after)
	if err != nil {
		return readFailure(r, err)
	}
	setPosition(w, trace.Position)
	if len(trace.Commands) == 0 {
		return notFound("no command, event or conversation with the id %q is known; a command without events is forgotten beyond the horizon", id)
	}
	return answer(w, traceBody{ID: id, CorrelationIDs: trace.CorrelationIDs, Commands: s.commandBodies(trace.Commands), Truncated: trace.Truncated})
}

func (s *Server) commandBodies(commands []*views.TracedCommand) []commandBody {
	bodies := make([]commandBody, len(commands))
	for i, c := range commands {
		body := commandBody{
			Aggregate: c.Aggregate, AggregateID: c.AggregateID, CommandID: c.CommandID, CommandType: c.Type, CorrelationID: c.CorrelationID,
			Actor: c.Actor, RecordedAt: c.RecordedAt.UTC(), Accepted: c.Accepted, Events: make([]tracedEventBody, len(c.Events)),
		}
		if refusal := c.Rejection; refusal != nil {
			body.Code, body.Detail, body.Field = refusal.Code, refusal.Message, refusal.Field
			if refusal.Code == foldlog.CodeInternal {
				body.Detail = "internal error"
			}
		}
		for n, e := range c.Events {
			body.Events[n] = tracedEventBody{s.eventBodyOf(c.Aggregate, e.HistoryEvent), s.commandBodies(e.Commands)}
		}
		bodies[i] = body
	}
	return bodies
}
