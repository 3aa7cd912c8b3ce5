package load

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"syscall"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/proof/history"
)

// Caller calls instances and writes everything down.
type Caller struct {
	Recorder *Recorder
	Targets  []Target
}

// patience is how long a call is tried again.
const patience = 60 * time.Second

// answer is what a call came to.
type answer struct {
	kind    string
	status  int
	code    string
	outcome client.Outcome
	token   foldlog.Token // of a write, or a read's position
	version int64
}

// command sends a command until it is answered, patience or ctx ends, under the same id. Each try
// may go to another instance.
func (c *Caller) command(ctx context.Context, number int, home int, command client.Command) answer {
	data, err := json.Marshal(command.Data)
	if err != nil || command.Data == nil {
		data = []byte("{}")
	}
	command.Data = json.RawMessage(data)
	unknown := false
	deadline := time.Now().Add(patience)
	for try, wait := 0, 50*time.Millisecond; ; try, wait = try+1, min(2*wait, 2*time.Second) {
		target := c.Targets[(home+try)%len(c.Targets)]
		a := c.try(ctx, number, target, command, data)
		if a.kind == history.OK || a.kind == history.Fail && !passing(a.status) {
			c.Recorder.count(func(n *Counts) { n.add(a, unknown) })
			return a
		}
		unknown = unknown || a.kind == history.Unknown
		if time.Now().After(deadline) || pause(ctx, wait/2+rand.N(wait)) != nil {
			if unknown {
				a.kind = history.Unknown
			}
			c.Recorder.count(func(n *Counts) { n.add(a, unknown) })
			return a
		}
	}
}

func (n *Counts) add(a answer, unknown bool) {
	switch {
	case a.kind == history.OK && a.outcome.Accepted:
		n.Accepted++
	case a.kind == history.OK:
		n.Rejected++
	case unknown || a.kind == history.Unknown:
		n.Unknown++
	default:
		n.Failed++
	}
}

// passing reports whether another try of a failed call may succeed. 0 is a refused connection.
func passing(status int) bool {
	return status == 0 || status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
}

// try sends a command once.
func (c *Caller) try(ctx context.Context, number int, target Target, command client.Command, data json.RawMessage) answer {
	op := c.Recorder.invoke(history.Op{
		Client: number, Call: history.CommandCall, Instance: target.Name, Aggregate: command.Aggregate, ID: command.ID, Command: command.Type,
		CommandID: command.CommandID, Data: data, ExpectedVersion: command.ExpectedVersion,
	})
	outcome, err := target.Client.Send(ctx, command)
	a := judge(err)
	op.Instance, op.Status, op.Code = target.Name, a.status, a.code
	if err != nil {
		op.Error = err.Error()
	}
	problem, isProblem := errors.AsType[*client.Problem](err)
	switch {
	case err == nil:
		a.outcome, a.token, a.version = outcome, outcome.Token, outcome.Version
		op.FirstVersion, op.Version, op.EventIDs, op.Repeat, op.Token = outcome.FirstVersion, outcome.Version, outcome.EventIDs, outcome.Repeat, outcome.Token.String()
	case isProblem:
		op.Repeat = problem.Repeat
		if a.status == http.StatusUnprocessableEntity || a.status == http.StatusPreconditionFailed {
			a.kind = history.OK // rejected is an answer
		}
	}
	c.Recorder.end(op, a.kind)
	return a
}

// judge says what an error leaves possible.
func judge(err error) answer {
	problem, isProblem := errors.AsType[*client.Problem](err)
	switch {
	case err == nil:
		return answer{kind: history.OK, status: http.StatusOK}
	case isProblem:
		a := answer{kind: history.Fail, status: problem.Status, code: problem.Code}
		if problem.Status == http.StatusGatewayTimeout || problem.Status == http.StatusInternalServerError || problem.Code == "" {
			a.kind = history.Unknown
		}
		return a
	case errors.Is(err, syscall.ECONNREFUSED):
		return answer{kind: history.Fail}
	}
	return answer{kind: history.Unknown}
}

// state reads an aggregate's state once.
func (c *Caller) state(ctx context.Context, number int, target Target, aggregate, id string, after foldlog.Token) answer {
	op := c.Recorder.invoke(history.Op{Client: number, Call: history.StateCall, Instance: target.Name, Aggregate: aggregate, ID: id, After: after.String()})
	ctx, position := withPosition(ctx)
	state, err := target.Client.State(ctx, aggregate, id, after)
	op.Version, op.Body, op.Position = state.Version, state.Data, *position
	a := c.readEnd(op, target, err)
	a.token, a.version = state.Position, state.Version
	return a
}

// row reads a row of a view once.
func (c *Caller) row(ctx context.Context, number int, target Target, view, key string, after foldlog.Token) answer {
	op := c.Recorder.invoke(history.Op{Client: number, Call: history.ViewCall, Instance: target.Name, View: view, ID: key, After: after.String()})
	ctx, position := withPosition(ctx)
	row, err := target.Client.ViewRow(ctx, view, key, after)
	op.Body, op.Position = row.Data, *position
	a := c.readEnd(op, target, err)
	a.token = row.Position
	return a
}

// readEnd writes how a read ended. A read without an answer changed nothing, and one of what does
// not exist has an answer.
func (c *Caller) readEnd(op history.Op, target Target, err error) answer {
	a := judge(err)
	op.Instance, op.Status, op.Code = target.Name, a.status, a.code
	if err != nil {
		op.Error = err.Error()
		a.kind = history.Fail
		if a.status == http.StatusNotFound && a.code == "not_found" {
			a.kind = history.OK
		}
	}
	c.Recorder.count(func(n *Counts) { n.Reads++ })
	c.Recorder.end(op, a.kind)
	return a
}

// pause waits, or returns the context's error when it ends before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
