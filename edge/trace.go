package edge

import (
	"net/http"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/api"
	"github.com/foldlog/foldlog/views"
)

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
	return answer(w, api.Trace[any]{ID: id, CorrelationIDs: trace.CorrelationIDs, Commands: s.tracedCommands(trace.Commands), Truncated: trace.Truncated})
}

func (s *Server) tracedCommands(commands []*views.TracedCommand) []api.TracedCommand[any] {
	bodies := make([]api.TracedCommand[any], len(commands))
	for i, c := range commands {
		body := api.TracedCommand[any]{
			Aggregate: c.Aggregate, AggregateID: c.AggregateID, CommandID: c.CommandID, CommandType: c.Type, CorrelationID: c.CorrelationID,
			Actor: c.Actor, RecordedAt: c.RecordedAt.UTC(), Accepted: c.Accepted, Events: make([]api.TracedEvent[any], len(c.Events)),
		}
		if refusal := c.Rejection; refusal != nil {
			body.Code, body.Detail, body.Field = refusal.Code, outside(refusal.Code, refusal.Message), refusal.Field
		}
		for n, e := range c.Events {
			body.Events[n] = api.TracedEvent[any]{Event: s.eventOf(c.Aggregate, e.HistoryEvent), Commands: s.tracedCommands(e.Commands)}
		}
		bodies[i] = body
	}
	return bodies
}
