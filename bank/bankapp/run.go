package bankapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/gateway"
)

// answer is the result of a command.
type answer struct {
	// newEvents counts the events that the command caused now; none if it was only recognised.
	newEvents int
	token     foldlog.Token
}

// sender sends one command and waits for its outcome. A refusal is a *foldlog.Rejection; every
// other error ends the import. It is called by several goroutines.
type sender func(context.Context, client.Command) (answer, error)

// refusal is a row whose command was refused.
type refusal struct {
	Place   string `json:"place"`
	Account string `json:"account"`
	Reason  string `json:"reason"`
}

// progress is the result of the steps so far. It is safe for concurrent use.
type progress struct {
	step func() // called after each step

	mu        sync.Mutex
	done      int
	newEvents int
	tokens    map[string]foldlog.Token // account -> of its last command
	refused   []refusal
}

// sendAll runs the shards beside each other. It stops at the first failure or when ctx ends,
// between two commands; a refused command is noted and does not stop anything.
func sendAll(ctx context.Context, shards [][]step, send sender, p *progress) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, shard := range shards {
		group.Go(func() error {
			for _, s := range shard {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				a, err := send(ctx, s.command)
				if err = p.note(s, a, err); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (p *progress) note(s step, a answer, err error) error {
	rejection, refused := foldlog.AsRejection(err)
	if err != nil && !refused {
		return fmt.Errorf("%s: %w", s.place, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.newEvents += a.newEvents
	if refused {
		p.refused = append(p.refused, refusal{Place: s.place, Account: s.command.ID, Reason: rejection.Error()})
	} else if len(a.token) > 0 {
		p.tokens[s.command.ID] = a.token
	}
	p.step()
	return nil
}

// overHTTP sends commands through the HTTP interface.
func overHTTP(c *client.Client) sender {
	return func(ctx context.Context, command client.Command) (answer, error) {
		outcome, err := c.Send(ctx, command)
		var problem *client.Problem
		switch {
		case errors.As(err, &problem) && isRefusal(problem):
			return answer{}, &foldlog.Rejection{Code: problem.Code, Message: problem.Detail, Field: problem.Field}
		case err != nil:
			return answer{}, err
		}
		return answerOf(outcome.Token, outcome.EventIDs, outcome.Repeat), nil
	}
}

// overKafka sends commands straight to the commands topic.
func overKafka(g *gateway.Gateway) sender {
	return func(ctx context.Context, command client.Command) (answer, error) {
		body, err := json.Marshal(command.Data)
		if err != nil {
			return answer{}, err
		}
		outcome, err := g.Send(ctx, gateway.Command{Aggregate: command.Aggregate, ID: command.ID, Name: command.Type, CommandID: command.CommandID, Body: body})
		if err != nil {
			return answer{}, err
		}
		if rejection := outcome.Rejection(); rejection != nil {
			return answer{}, rejection
		}
		return answerOf(outcome.Token(), outcome.EventIDs, outcome.Repeat), nil
	}
}

func answerOf(token foldlog.Token, events []string, repeat bool) answer {
	if repeat {
		return answer{token: token}
	}
	return answer{token: token, newEvents: len(events)}
}

// isRefusal tells a refused command from a server that is in trouble or no Foldlog server at all.
func isRefusal(p *client.Problem) bool {
	switch p.Status {
	case http.StatusBadRequest, http.StatusPreconditionFailed, http.StatusUnprocessableEntity:
		return p.Code != ""
	}
	return false
}
