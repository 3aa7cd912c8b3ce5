package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/api"
)

// The answers to reads. The data of the domain is JSON text, so numbers stay exact.
type (
	// State is an aggregate's state.
	State = api.State[json.RawMessage]
	// Row is a row of a view.
	Row = api.Row[json.RawMessage]
	// Page is a part of a view's rows in the order of their keys. Its Next is the After of the next
	// page.
	Page = api.Page[json.RawMessage]
)

// Query asks for rows of a view.
type Query struct {
	// Prefix is the start of the rows' keys.
	Prefix string
	// After is the key behind which to start.
	After string
	// Limit is the largest number of rows in a page; default the server's.
	Limit int
	// Token must be visible in the answer.
	Token foldlog.Token
}

// State returns an aggregate's state as of the token or later. An aggregate without events is a
// [*Problem] of status 404.
func (c *Client) State(ctx context.Context, aggregate, id string, after foldlog.Token) (State, error) {
	return c.state(ctx, path("v1", aggregate, id), aggregate, id, after)
}

func (c *Client) state(ctx context.Context, target, aggregate, id string, after foldlog.Token) (State, error) {
	var state State
	position, _, err := c.read(ctx, target, after, &state)
	if err != nil {
		return State{}, fmt.Errorf("state of %s %s: %w", aggregate, id, err)
	}
	state.Position = position
	return state, nil
}

// ViewRow returns a row of a view as of the token or later. A missing row is a [*Problem] of status
// 404.
func (c *Client) ViewRow(ctx context.Context, view, key string, after foldlog.Token) (Row, error) {
	var row Row
	position, header, err := c.read(ctx, path("v1", "views", view, key), after, &row)
	if err != nil {
		return Row{}, fmt.Errorf("row %q of view %s: %w", key, view, err)
	}
	row.Position, row.Version = position, versionOf(header)
	return row, nil
}

// ViewPage returns a page of a view's rows.
func (c *Client) ViewPage(ctx context.Context, view string, query Query) (Page, error) {
	values := url.Values{}
	for name, value := range map[string]string{"prefix": query.Prefix, "after": query.After} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if query.Limit != 0 {
		values.Set("limit", strconv.Itoa(query.Limit))
	}
	var page Page
	position, header, err := c.read(ctx, withQuery(path("v1", "views", view), values), query.Token, &page)
	if err != nil {
		return Page{}, fmt.Errorf("rows of view %s: %w", view, err)
	}
	page.Position = position
	for i := range page.Rows {
		page.Rows[i].Position, page.Rows[i].Version = position, versionOf(header)
	}
	return page, nil
}

// ViewRows returns all rows that a query asks for, page by page. An error ends them.
func (c *Client) ViewRows(ctx context.Context, view string, query Query) iter.Seq2[Row, error] {
	return pages(query, func(q *Query) ([]Row, bool, error) {
		page, err := c.ViewPage(ctx, view, *q)
		q.After = page.Next
		return page.Rows, page.Next != "", err
	})
}

// pages returns the items of all pages. next returns one page, moves the query behind it, and
// reports whether there are more.
func pages[Q, T any](query Q, next func(*Q) (page []T, more bool, err error)) iter.Seq2[T, error] {
	return func(yield func(item T, err error) bool) {
		for q, more := query, true; more; {
			var page []T
			var err error
			if page, more, err = next(&q); err != nil {
				yield(*new(T), err)
				return
			}
			for _, item := range page {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

// versionOf returns the version of the projection behind an answer; 0 if the server does not say.
func versionOf(h http.Header) int {
	version, _ := strconv.Atoi(h.Get(api.HeaderViewVersion))
	return version
}

// read reads the answer into a value, and returns its position and header.
func (c *Client) read(ctx context.Context, target string, after foldlog.Token, into any) (foldlog.Token, http.Header, error) {
	header := http.Header{"Accept": {api.ContentTypeJSON}}
	if text := after.String(); text != "" {
		header.Set(api.HeaderAfter, text)
	}
	resp, err := c.do(ctx, request{method: http.MethodGet, path: target, header: header})
	if err != nil {
		return nil, nil, err
	}
	position, err := foldlog.ParseToken(resp.header.Get(api.HeaderPosition))
	if err = errors.Join(err, json.Unmarshal(resp.body, into)); err != nil {
		return nil, nil, fmt.Errorf("read the answer: %w", err)
	}
	return position, resp.header, nil
}

// Ready asks once whether the server is ready. The error says what the server waits for.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.attempt(ctx, request{method: http.MethodGet, path: "/readyz"})
	var refused *refusal
	if !errors.As(err, &refused) || refused.problem.Status != http.StatusServiceUnavailable {
		return err
	}
	var body api.Readiness
	if json.Unmarshal(refused.body, &body) != nil || len(body.Waiting) == 0 {
		return err
	}
	var reasons []string
	for _, part := range slices.Sorted(maps.Keys(body.Waiting)) {
		reasons = append(reasons, part+": "+body.Waiting[part])
	}
	refused.problem.Detail = "not ready: " + strings.Join(reasons, "; ")
	return refused
}
