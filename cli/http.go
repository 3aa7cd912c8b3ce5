package cli

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/topology"
)

// shortPatience is how long a command for people retries: long enough for a restart's hiccup, short
// enough to sit through.
const shortPatience = 3 * time.Second

// Client returns a client of the HTTP interface that --url names. Patience is how long a call is
// retried; zero means the client's default.
func (c *Context) Client(patience time.Duration) (*client.Client, error) {
	address, err := c.URL()
	if err != nil {
		return nil, err
	}
	cl, err := client.New(client.Config{URL: address, Patience: patience})
	if err != nil {
		return nil, Usage("%w", err)
	}
	return cl, nil
}

// clientError gives a failed call its exit code and says what to do. A refusal by the server is a
// finding.
func clientError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var problem *client.Problem
	switch {
	case !errors.As(err, &problem):
		return Infrastructure("%w: is the system running, and does --url name it?", err)
	case problem.Status == http.StatusTooManyRequests || problem.Status >= http.StatusInternalServerError:
		return Infrastructure("%w", err)
	}
	return Finding("%w", err)
}

// knownAggregate returns the declared aggregate type of that name.
func (c *Context) knownAggregate(name string) (*topology.AggregateSpec, error) {
	if a := c.App.Topology.Aggregate(name); a != nil {
		return a, nil
	}
	return nil, Usage("no aggregate %q; did you mean %q?", name, nearest(name, c.aggregateNames()))
}

func (c *Context) aggregateNames() []string {
	var names []string
	for _, a := range c.App.Topology.Aggregates {
		names = append(names, a.Name)
	}
	return names
}

// publicCommands returns the names of the commands that may be sent from outside.
func publicCommands(a *topology.AggregateSpec) []string {
	var names []string
	for _, command := range a.Commands {
		if !command.Private {
			names = append(names, command.Name)
		}
	}
	return names
}
