package api_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/api"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
)

var (
	at       = time.Date(2026, 5, 4, 3, 2, 1, 987654000, time.UTC)
	position = foldlog.Token{{Aggregate: "account", Partition: 1, Offset: 2}}
	event    = api.Event[any]{EventID: "e", EventType: "Deposited", AggregateID: "a", Version: 7, RecordedAt: at, CommandID: "c", CorrelationID: "talk",
		CausationID: new("c"), Actor: "anonymous", Data: map[string]int64{"amount": 9223372036854775807},
		Log: api.LogPlace{Topic: "account.events", Partition: 1, Offset: 2, Cause: "account/1/2", Chain: "ab"}}
)

const eventText = `"event_id":"e","event_type":"Deposited","aggregate_id":"a","version":7,"recorded_at":"2026-05-04T03:02:01.987654Z",` +
	`"command_id":"c","correlation_id":"talk","causation_id":"c","actor":"anonymous","data":{"amount":9223372036854775807},` +
	`"log":{"topic":"account.events","partition":1,"offset":2,"cause":"account/1/2","chain":"ab"}`

// NB: must not change. Clients read these texts.
func TestBodies(t *testing.T) {
	for want, body := range map[string]any{
		`{"command_id":"c","accepted":true,"first_version":3,"version":4,"event_ids":["e"],"recorded_at":"2026-05-04T03:02:01.987654Z","token":"t","repeat":true}`: api.Accepted{
			CommandID: "c", Accepted: true, FirstVersion: 3, Version: 4, EventIDs: []string{"e"}, RecordedAt: at, Token: "t", Repeat: true},
		`{"command_id":"c","accepted":true,"first_version":0,"version":0,"event_ids":[],"recorded_at":"2026-05-04T03:02:01.987654Z"}`: api.Accepted{
			CommandID: "c", Accepted: true, EventIDs: []string{}, RecordedAt: at},
		`{"command_id":"c","accepted":false,"code":"x","detail":"y","field":"z","recorded_at":"2026-05-04T03:02:01.987654Z"}`: api.Rejected{
			CommandID: "c", Code: "x", Detail: "y", Field: "z", RecordedAt: at},
		`{"type":"about:blank","title":"T","status":422,"detail":"d","code":"x","field":"f","command_id":"c","repeat":true,"instance":"i"}`: api.Problem{
			Type: "about:blank", Title: "T", Status: 422, Detail: "d", Code: "x", Field: "f", CommandID: "c", Repeat: true, Instance: "i"},
		`{"type":"about:blank","title":"T","status":404,"code":"not_found"}`: api.Problem{Type: "about:blank", Title: "T", Status: 404, Code: "not_found"},
		`{"aggregate_id":"a","version":7,"recorded_at":"2026-05-04T03:02:01.987654Z","state":{"x":1}}`: api.State[any]{
			AggregateID: "a", Version: 7, RecordedAt: at, Data: map[string]int{"x": 1}, Position: position},
		`{"rows":[{"key":"k","row":1}],"next":"k"}`: api.Page[any]{Rows: []api.Row[any]{{Key: "k", Data: 1, Version: 2, Position: position}}, Next: "k", Position: position},
		`{"rows":[]}`: api.Page[any]{Rows: []api.Row[any]{}},
		`{"events":[{` + eventText + `}],"next":7}`: api.EventPage[any]{Events: []api.Event[any]{event}, Next: 7, Position: position},
		`{"id":"c","correlation_ids":["talk"],"commands":[{"aggregate":"account","aggregate_id":"a","command_id":"c","command_type":"deposit",` +
			`"correlation_id":"talk","actor":"anonymous","recorded_at":"2026-05-04T03:02:01.987654Z","accepted":true,"events":[{` + eventText + `,"commands":[]}]}],` +
			`"truncated":true}`: api.Trace[any]{ID: "c", CorrelationIDs: []string{"talk"}, Truncated: true, Position: position, Commands: []api.TracedCommand[any]{{
			Aggregate: "account", AggregateID: "a", CommandID: "c", CommandType: "deposit", CorrelationID: "talk", Actor: "anonymous", RecordedAt: at,
			Accepted: true, Events: []api.TracedEvent[any]{{Event: event, Commands: []api.TracedCommand[any]{}}}}}},
		`{"event_id":"","event_type":"","aggregate_id":"","version":0,"recorded_at":"0001-01-01T00:00:00Z","command_id":"","correlation_id":"",` +
			`"causation_id":null,"actor":"","data":null,"log":{"topic":"","partition":0,"offset":0}}`: api.Event[any]{},
		`{"ready":false,"waiting":{"views":"restoring"}}`: api.Readiness{Waiting: map[string]string{"views": "restoring"}},
		`{"ready":true}`: api.Readiness{Ready: true},
	} {
		if got, err := json.Marshal(body); err != nil || string(got) != want {
			t.Errorf("%T is\n%s, want\n%s: %v", body, got, want, err)
		}
	}
}

// An event in JSON has the fields of its envelope in Avro, and its place.
func TestEventsHaveTheWholeEnvelope(t *testing.T) {
	set, err := schemas.Load(bankschemas.Files, bank.Topology())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	if err := json.Unmarshal([]byte("{"+eventText+"}"), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "log")
	for _, f := range set.Latest("account.events").Schema.Type.Fields {
		if _, there := got[f.Name]; !there {
			t.Errorf("the JSON lacks the envelope's field %s", f.Name)
		}
		delete(got, f.Name)
	}
	if len(got) > 0 {
		t.Errorf("the JSON has more than the envelope: %v", got)
	}
}
