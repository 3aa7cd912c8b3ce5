package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/api"
)

// Command is an intent to send.
type Command struct {
	// Aggregate is the aggregate type, ID the aggregate's id, Type the command's name.
	Aggregate, ID, Type string
	// Data has the command's fields: anything that JSON makes an object of. Nil means no fields.
	Data any
	// CommandID identifies the command for ever; default a new UUID. The same id with the same
	// content is executed once.
	CommandID string
	// CorrelationID is the conversation's id; default the command's id.
	CorrelationID string
	// ExpectedVersion, when not nil, is the version that the aggregate must have; 0 means that it
	// must not exist yet.
	ExpectedVersion *int64
}

// Outcome is the result of a command.
type Outcome struct {
	CommandID string
	Accepted  bool
	// FirstVersion and Version are those of the command's first and last event.
	FirstVersion, Version int64
	EventIDs              []string
	RecordedAt            time.Time
	// Token makes a read see the command's effect.
	Token foldlog.Token
	// Repeat says that the command had been executed before, under the same id.
	Repeat bool
	// Code, Detail and Field give the reason if the command was refused; [Client.Send] returns a
	// [*Problem] instead.
	Code, Detail, Field string
}

// Send sends a command and returns its outcome. A refusal is a [*Problem] of status 412 or 422. Any
// other error may leave it unknown whether the command is executed: send it again with the returned
// outcome's CommandID, which is always set, or ask [Client.Command].
func (c *Client) Send(ctx context.Context, command Command) (Outcome, error) {
	if command.CommandID == "" {
		command.CommandID = uuid.NewString()
	}
	unknown := Outcome{CommandID: command.CommandID}
	body := []byte("{}")
	if command.Data != nil {
		var err error
		if body, err = json.Marshal(command.Data); err != nil {
			return unknown, fmt.Errorf("write the command's fields as JSON: %w", err)
		}
	}
	header := http.Header{"Content-Type": {api.ContentTypeJSON}, api.HeaderIdempotencyKey: {command.CommandID}}
	if command.CorrelationID != "" {
		header.Set(api.HeaderCorrelationID, command.CorrelationID)
	}
	if command.ExpectedVersion != nil {
		header.Set("If-Match", strconv.Quote(strconv.FormatInt(*command.ExpectedVersion, 10)))
	}
	resp, err := c.do(ctx, request{method: http.MethodPost, path: path("v1", command.Aggregate, command.ID, command.Type), header: header, body: body})
	if err != nil {
		return unknown, fmt.Errorf("%s %s %s, command %s: %w", command.Type, command.Aggregate, command.ID, command.CommandID, err)
	}
	outcome, err := outcomeOf(resp.body)
	if err != nil {
		return unknown, err
	}
	if outcome.CommandID != command.CommandID || !outcome.Accepted {
		return unknown, fmt.Errorf("%s is no Foldlog server: it answered command %s with %q", c.base, command.CommandID, resp.body)
	}
	return outcome, nil
}

// Command returns the outcome of a command. An unknown command is a [*Problem] of status 404: it
// was not sent, is not decided yet, or is past the horizon.
func (c *Client) Command(ctx context.Context, aggregate, id, commandID string) (Outcome, error) {
	resp, err := c.do(ctx, request{method: http.MethodGet, path: path("v1", aggregate, id, "commands", commandID)})
	if err != nil {
		return Outcome{}, fmt.Errorf("outcome of command %s of %s %s: %w", commandID, aggregate, id, err)
	}
	return outcomeOf(resp.body)
}

func outcomeOf(body []byte) (Outcome, error) {
	var o api.Accepted
	var refusal api.Rejected
	token, err := foldlog.Token(nil), json.Unmarshal(body, &o)
	if err == nil && !o.Accepted {
		err = json.Unmarshal(body, &refusal)
	}
	if err == nil {
		token, err = foldlog.ParseToken(o.Token)
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("read the outcome %q: %w", body, err)
	}
	return Outcome{CommandID: o.CommandID, Accepted: o.Accepted, FirstVersion: o.FirstVersion, Version: o.Version, EventIDs: o.EventIDs,
		RecordedAt: o.RecordedAt, Token: token, Repeat: o.Repeat, Code: refusal.Code, Detail: refusal.Detail, Field: refusal.Field}, nil
}
