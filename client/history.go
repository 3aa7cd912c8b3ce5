package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"strconv"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/api"
)

// The parts of an aggregate's history and of a conversation.
type (
	// Event is an event of an aggregate: its envelope and the place of its record.
	Event = api.Event[json.RawMessage]
	// LogPlace is the place of an event's record, with its headers.
	LogPlace = api.LogPlace
	// EventPage is a part of an aggregate's events in the order of their versions. Its Next is the
	// After of the next page.
	EventPage = api.EventPage[json.RawMessage]
	// Trace is a conversation as a tree.
	Trace = api.Trace[json.RawMessage]
	// TracedCommand is a command with its result.
	TracedCommand = api.TracedCommand[json.RawMessage]
	// TracedEvent is an event with the commands that follow from it.
	TracedEvent = api.TracedEvent[json.RawMessage]
)

// EventQuery asks for events of an aggregate.
type EventQuery struct {
	// After is the version behind which to start; 0 is the beginning.
	After int64
	// Limit is the largest number of events in a page; default the server's.
	Limit int
	// Token must be visible in the answer.
	Token foldlog.Token
}

// EventPage returns a page of an aggregate's events. An aggregate without events is a [*Problem] of
// status 404.
func (c *Client) EventPage(ctx context.Context, aggregate, id string, query EventQuery) (EventPage, error) {
	values := url.Values{}
	if query.After != 0 {
		values.Set("after", strconv.FormatInt(query.After, 10))
	}
	if query.Limit != 0 {
		values.Set("limit", strconv.Itoa(query.Limit))
	}
	var page EventPage
	position, _, err := c.read(ctx, withQuery(path("v1", aggregate, id, "events"), values), query.Token, &page)
	if err != nil {
		return EventPage{}, fmt.Errorf("events of %s %s: %w", aggregate, id, err)
	}
	page.Position = position
	return page, nil
}

// Events returns all events that a query asks for, page by page. An error ends them.
func (c *Client) Events(ctx context.Context, aggregate, id string, query EventQuery) iter.Seq2[Event, error] {
	return pages(query, func(q *EventQuery) ([]Event, bool, error) {
		page, err := c.EventPage(ctx, aggregate, id, *q)
		q.After = page.Next
		return page.Events, page.Next != 0, err
	})
}

// Moment is a point in an aggregate's history: behind the event of a version or, if Version is 0,
// behind the last event recorded at a time or before.
type Moment struct {
	Version int64
	At      time.Time
}

// StateAsOf returns an aggregate's state at a moment. If there was none, or the version has not
// come yet, it returns a [*Problem] of status 404.
func (c *Client) StateAsOf(ctx context.Context, aggregate, id string, moment Moment, after foldlog.Token) (State, error) {
	values := url.Values{}
	if moment.Version != 0 {
		values.Set("version", strconv.FormatInt(moment.Version, 10))
	} else {
		values.Set("at", moment.At.UTC().Format(time.RFC3339Nano))
	}
	return c.state(ctx, withQuery(path("v1", aggregate, id), values), aggregate, id, after)
}

// Trace returns the conversations in which the id is a command's, an event's or the correlation id.
// An id that nothing is known of is a [*Problem] of status 404.
func (c *Client) Trace(ctx context.Context, id string, after foldlog.Token) (Trace, error) {
	var trace Trace
	position, _, err := c.read(ctx, path("v1", "traces", id), after, &trace)
	if err != nil {
		return Trace{}, fmt.Errorf("trace of %s: %w", id, err)
	}
	trace.Position = position
	return trace, nil
}

func withQuery(target string, values url.Values) string {
	if len(values) == 0 {
		return target
	}
	return target + "?" + values.Encode()
}
