package edge

import (
	"net/http"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/api"
	"github.com/foldlog/foldlog/gateway"
)

// command sends the command and answers with its outcome.
func (s *Server) command(w http.ResponseWriter, r *http.Request, p params) error {
	if err := foldlog.CheckAggregateID(p["id"]); err != nil { // before its body is read
		return err
	}
	if _, err := queryOf(r.URL); err != nil {
		return err
	}
	commandID, err := commandIDOf(r.Header)
	if err != nil {
		return err
	}
	outcome, err := s.send(r, gateway.Command{Aggregate: p["aggregate"], ID: p["id"], Name: p["command"], CommandID: commandID})
	if err != nil {
		f := failureOf(r.Context(), err)
		if f == nil {
			return err
		}
		f.commandID = commandID
		return f
	}
	return s.answerOutcome(w, outcome)
}

// send completes the command from headers and body, and sends it.
func (s *Server) send(r *http.Request, command gateway.Command) (outcome foldlog.Outcome, err error) {
	if command.ExpectedVersion, err = expectedVersionOf(r.Header); err != nil {
		return outcome, err
	}
	if command.CorrelationID, _, err = idHeader(r.Header, api.HeaderCorrelationID); err != nil {
		return outcome, err
	}
	if command.Body, err = jsonBodyOf(r); err != nil {
		return outcome, err
	}
	command.Identity = gateway.Anonymous
	// A wrong one is ignored, as Trace Context asks.
	command.Traceparent, _, _ = once(r.Header, "Traceparent")
	return s.config.Gateway.Send(r.Context(), command)
}

// acceptedOf is the body of an accepted command.
func acceptedOf(o foldlog.Outcome) api.Accepted {
	ids := o.EventIDs
	if ids == nil {
		ids = []string{} // [] in JSON, not null
	}
	return api.Accepted{CommandID: o.CommandID, Accepted: true, FirstVersion: o.FirstVersion, Version: o.Version, EventIDs: ids,
		RecordedAt: o.RecordedAt.UTC(), Token: o.Token().String(), Repeat: o.Repeat}
}

func (s *Server) answerOutcome(w http.ResponseWriter, o foldlog.Outcome) error {
	if rejection := o.Rejection(); rejection != nil {
		f := refused(rejection)
		f.commandID, f.recorded, f.repeat = o.CommandID, true, o.Repeat
		return f
	}
	w.Header().Set("Cache-Control", "no-store")
	return answer(w, acceptedOf(o))
}
