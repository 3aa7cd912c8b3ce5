package edge

import (
	"context"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/api"
	"github.com/foldlog/foldlog/views"
)

// eventOf is an event in JSON: its envelope, and the place of its record.
func (s *Server) eventOf(aggregate string, e views.HistoryEvent) api.Event[any] {
	body := api.Event[any]{
		EventID: e.EventID, EventType: e.Type, AggregateID: e.AggregateID, Version: e.Version, RecordedAt: e.RecordedAt.UTC(),
		CommandID: e.CommandID, CorrelationID: e.CorrelationID, Actor: e.Actor, Data: e.Data,
		Log: api.LogPlace{Topic: s.config.Names.Events(aggregate), Partition: e.Partition, Offset: e.Offset, Cause: e.Cause, Chain: hex.EncodeToString(e.Chain)},
	}
	if e.CausationID != "" {
		body.CausationID = &e.CausationID
	}
	return body
}

// events answers with an aggregate's events in the order of their versions.
func (s *Server) events(w http.ResponseWriter, r *http.Request, p params) error {
	aggregate, id := p["aggregate"], p["id"]
	if err := foldlog.CheckAggregateID(id); err != nil {
		return err
	}
	ctx, cancel, token, query, err := s.reading(r, "after", "limit")
	if err != nil {
		return err
	}
	defer cancel()
	list := views.HistoryQuery{Token: token}
	if list.After, err = versionOf(query, "after", 0); err != nil {
		return err
	}
	if list.Limit, err = limitOf(query); err != nil {
		return err
	}
	page, err := s.config.Views.History(aggregate).Page(ctx, id, list)
	if err != nil {
		return readFailure(r, err)
	}
	setPosition(w, page.Position)
	if page.Newest == 0 {
		return notFound("%s %q has no events", aggregate, id)
	}
	body := api.EventPage[any]{Events: make([]api.Event[any], len(page.Events)), Next: page.Next}
	for i, e := range page.Events {
		body.Events[i] = s.eventOf(aggregate, e)
	}
	return answer(w, body)
}

// versionOf returns a parameter that is a version; 0 if it is missing.
func versionOf(query map[string]string, name string, least int64) (int64, error) {
	text, given := query[name]
	if !given {
		return 0, nil
	}
	version, err := strconv.ParseInt(text, 10, 64)
	if err != nil || version < least || strconv.FormatInt(version, 10) != text {
		return 0, invalid(name, "is %q; send a version, %d or more", text, least)
	}
	return version, nil
}

// momentOf returns the moment that the query asks for; ok is false if it asks for none.
func momentOf(query map[string]string) (moment views.Moment, ok bool, err error) {
	at, timed := query["at"]
	if _, versioned := query["version"]; versioned && timed {
		return moment, false, invalid("at", "is there beside version; send one of them")
	}
	if !timed {
		moment.Version, err = versionOf(query, "version", 1)
		return moment, moment.Version > 0, err
	}
	if moment.At, err = time.Parse(time.RFC3339, at); err != nil {
		return moment, false, invalid("at", `is %q; send a time such as 2026-01-31T12:00:00.5Z (a "+" must be sent as %%2B)`, at)
	}
	return moment, true, nil
}

// asOf answers with an aggregate's state at a moment.
func (s *Server) asOf(ctx context.Context, w http.ResponseWriter, r *http.Request, p params, moment views.Moment, after foldlog.Token) error {
	past, err := s.config.Views.History(p["aggregate"]).AsOf(ctx, p["id"], moment, after)
	if err != nil {
		return readFailure(r, err)
	}
	setPosition(w, past.Position)
	switch {
	case past.Found:
		return answerState(w, r, p["id"], past.State)
	case past.Newest == 0:
		return notFound("%s %q has no events", p["aggregate"], p["id"])
	case moment.Version > 0:
		return notFound("%s %q has no version %d yet; its newest is %d", p["aggregate"], p["id"], moment.Version, past.Newest)
	}
	return notFound("%s %q had no events at %s", p["aggregate"], p["id"], moment.At.UTC().Format(time.RFC3339Nano))
}
