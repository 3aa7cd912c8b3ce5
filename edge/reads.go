package edge

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/api"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/views"
)

// Sizes of a page of rows or events.
const (
	defaultPageSize = 100
	maxPageSize     = 1000
)

// reading returns the read's token, query and bounded context.
func (s *Server) reading(r *http.Request, parameters ...string) (context.Context, context.CancelFunc, foldlog.Token, map[string]string, error) {
	query, err := queryOf(r.URL, parameters...)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	after, err := s.afterOf(r.Header)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.config.VisibilityTimeout)
	return ctx, cancel, after, query, nil
}

// readFailure translates a failed read for the client.
func readFailure(r *http.Request, err error) error {
	switch {
	case r.Context().Err() != nil:
		return r.Context().Err()
	case errors.Is(err, views.ErrNotReady):
		return fail(api.CodeUnavailable, "this view is not recovered yet").because(err)
	case errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, views.ErrNotYetVisible):
		return fail(api.CodeUnavailable, "this view did not answer in time").because(err)
	}
	return err
}

func setPosition(w http.ResponseWriter, position foldlog.Token) {
	w.Header().Set("Cache-Control", "no-cache")
	if text := position.String(); text != "" {
		w.Header().Set(api.HeaderPosition, text)
	}
}

// state answers with an aggregate's state, now or as of a moment.
func (s *Server) state(w http.ResponseWriter, r *http.Request, p params) error {
	id := p["id"]
	if err := foldlog.CheckAggregateID(id); err != nil {
		return err
	}
	ctx, cancel, after, query, err := s.reading(r, "version", "at")
	if err != nil {
		return err
	}
	defer cancel()
	if moment, asked, err := momentOf(query); err != nil || asked {
		if err != nil {
			return err
		}
		return s.asOf(ctx, w, r, p, moment, after)
	}
	row, err := s.config.Views.State(p["aggregate"]).Get(ctx, id, after)
	if err != nil {
		return readFailure(r, err)
	}
	setPosition(w, row.Position)
	state, _ := row.Value.(codecs.State)
	if !row.Found || state.Version == 0 {
		return notFound("%s %q has no events", p["aggregate"], id)
	}
	return answerState(w, r, id, state)
}

func answerState(w http.ResponseWriter, r *http.Request, id string, state codecs.State) error {
	tag := etag(state.Version)
	w.Header().Set("ETag", tag)
	if unchanged(r.Header, tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return answer(w, api.State[any]{AggregateID: id, Version: state.Version, RecordedAt: state.RecordedAt.UTC(), Data: state.Data})
}

// outcome answers with the outcome of a command. It is 200 for a rejection, too: the question was
// answered.
func (s *Server) outcome(w http.ResponseWriter, r *http.Request, p params) error {
	if err := foldlog.CheckAggregateID(p["id"]); err != nil {
		return err
	}
	if err := foldlog.CheckCommandID(p["command_id"]); err != nil {
		return err
	}
	if _, err := queryOf(r.URL); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.config.VisibilityTimeout)
	defer cancel()
	o, found, err := s.config.Views.Outcomes(p["aggregate"]).Get(ctx, p["id"], p["command_id"])
	if err != nil {
		return readFailure(r, err)
	}
	if !found {
		return notFound("no outcome is known of command %q of %s %q: it was not sent, is not decided yet, or is past the horizon",
			p["command_id"], p["aggregate"], p["id"])
	}
	w.Header().Set("Cache-Control", "no-cache")
	rejection := o.Rejection()
	if rejection == nil {
		return answer(w, acceptedOf(o))
	}
	return answer(w, api.Rejected{CommandID: o.CommandID, Code: rejection.Code, Detail: outside(rejection.Code, rejection.Message), Field: rejection.Field,
		RecordedAt: o.RecordedAt.UTC()})
}

// view returns the table of the version that serves now, and says which one it is.
func (s *Server) view(w http.ResponseWriter, p params) *views.Table {
	table := s.config.Views.Projection(p["view"])
	w.Header().Set(api.HeaderViewVersion, strconv.Itoa(table.Version()))
	return table
}

// row answers with one row of a view.
func (s *Server) row(w http.ResponseWriter, r *http.Request, p params) error {
	key := p["key"]
	if key == "" {
		return invalid("key", "is empty")
	}
	if err := checkKey("key", key); err != nil {
		return err
	}
	ctx, cancel, after, _, err := s.reading(r)
	if err != nil {
		return err
	}
	defer cancel()
	row, err := s.view(w, p).Get(ctx, key, after)
	if err != nil {
		return readFailure(r, err)
	}
	setPosition(w, row.Position)
	if !row.Found {
		return notFound("view %s has no row %q", p["view"], key)
	}
	return answer(w, api.Row[any]{Key: row.Key, Data: row.Value})
}

// page answers with a view's rows in the order of their keys.
func (s *Server) page(w http.ResponseWriter, r *http.Request, p params) error {
	ctx, cancel, token, query, err := s.reading(r, "prefix", "after", "limit")
	if err != nil {
		return err
	}
	defer cancel()
	list := views.ListQuery{Prefix: query["prefix"], After: query["after"], Token: token}
	for _, name := range []string{"prefix", "after"} {
		if err := checkKey(name, query[name]); err != nil {
			return err
		}
	}
	if list.Limit, err = limitOf(query); err != nil {
		return err
	}
	page, err := s.view(w, p).List(ctx, list)
	if err != nil {
		return readFailure(r, err)
	}
	body := api.Page[any]{Rows: make([]api.Row[any], len(page.Rows)), Next: page.Next}
	for i, row := range page.Rows {
		body.Rows[i] = api.Row[any]{Key: row.Key, Data: row.Value}
	}
	setPosition(w, page.Position)
	return answer(w, body)
}

// limitOf returns the parameter "limit", or its default.
func limitOf(query map[string]string) (int, error) {
	text, given := query["limit"]
	if !given {
		return defaultPageSize, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > maxPageSize {
		return 0, invalid("limit", "is %q; send 1 to %d", text, maxPageSize)
	}
	return limit, nil
}

func checkKey(field, key string) error {
	if len(key) > foldlog.MaxViewKeyLength || !utf8.ValidString(key) {
		return invalid(field, "is not UTF-8 of at most %d bytes", foldlog.MaxViewKeyLength)
	}
	return nil
}
