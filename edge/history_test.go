package edge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/edge"
)

// historyBody is a page of events.
type historyBody struct {
	Events []struct {
		EventID       string          `json:"event_id"`
		EventType     string          `json:"event_type"`
		AggregateID   string          `json:"aggregate_id"`
		Version       int64           `json:"version"`
		RecordedAt    time.Time       `json:"recorded_at"`
		CommandID     string          `json:"command_id"`
		CorrelationID string          `json:"correlation_id"`
		CausationID   *string         `json:"causation_id"`
		Actor         string          `json:"actor"`
		Data          json.RawMessage `json:"data"`
		Log           struct {
			Topic     string
			Partition int32
			Offset    int64
			Cause     string
			Chain     string
		} `json:"log"`
	} `json:"events"`
	Next int64 `json:"next"`
}

// history reads a page of events.
func (w *world) history(t *testing.T, path string, headers ...string) historyBody {
	t.Helper()
	got := w.get(t, path, headers...)
	got.is(t, path, 200, nil)
	var body historyBody
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatal(err)
	}
	return body
}

func TestHistoryOverHTTP(t *testing.T) {
	w := newBank(t)
	send := func(path, body, id string, headers ...string) string {
		t.Helper()
		token, _ := w.post(t, "/v1/"+path, body, id, headers...).is(t, path, 200, nil)["token"].(string)
		return token
	}
	send("account/alice/open", open, "open-alice")
	for range 11 { // more than a double can hold
		send("account/alice/deposit", depositOf("900000000000001", "big"), "")
	}
	token := send("account/alice/withdraw", depositOf("1", "last"), "last-1", "Foldlog-Correlation-Id", "talk-9")

	t.Run("events", func(t *testing.T) {
		body := w.history(t, "/v1/account/alice/events", "Foldlog-After", token)
		if len(body.Events) != 13 || body.Next != 0 {
			t.Fatalf("%d events, next %d", len(body.Events), body.Next)
		}
		chains, offset := map[string]bool{}, int64(-1)
		for i, e := range body.Events {
			if e.Version != int64(i+1) || e.AggregateID != "alice" || e.Actor != "anonymous" || e.CausationID == nil || *e.CausationID != e.CommandID ||
				e.EventID != foldlog.EventID(e.CommandID, "alice", 0) {
				t.Errorf("event %d: %+v", i+1, e)
			}
			if e.Log.Topic != "account.events" || e.Log.Offset <= offset || !strings.HasPrefix(e.Log.Cause, fmt.Sprintf("account/%d/", e.Log.Partition)) ||
				len(e.Log.Chain) != 64 || chains[e.Log.Chain] {
				t.Errorf("event %d: log %+v", i+1, e.Log)
			}
			chains[e.Log.Chain], offset = true, e.Log.Offset
		}
		first, big, last := body.Events[0], body.Events[1], body.Events[12]
		if first.EventType != "AccountOpened" || !strings.Contains(string(first.Data), `"currency":"EUR"`) || first.CorrelationID != "open-alice" {
			t.Errorf("the first: %s", first.Data)
		}
		if big.EventType != "Deposited" || !strings.Contains(string(big.Data), `"amount":900000000000001,`) {
			t.Errorf("the second: %s", big.Data)
		}
		if last.EventType != "Withdrawn" || last.CommandID != "last-1" || last.CorrelationID != "talk-9" {
			t.Errorf("the last: %+v", last)
		}
	})
	t.Run("pages", func(t *testing.T) {
		page := w.history(t, "/v1/account/alice/events?limit=5", "Foldlog-After", token)
		if len(page.Events) != 5 || page.Next != 5 {
			t.Errorf("%d events, next %d", len(page.Events), page.Next)
		}
		if page = w.history(t, "/v1/account/alice/events?limit=5&after=10"); len(page.Events) != 3 || page.Events[0].Version != 11 || page.Next != 0 {
			t.Errorf("the last page: %+v", page)
		}
		got := w.get(t, "/v1/account/alice/events?after=13")
		if got.is(t, "behind the end", 200, map[string]any{"events": []any{}, "next": nil}); got.header.Get("Foldlog-Position") == "" {
			t.Error("no position")
		}
	})
	t.Run("refused", func(t *testing.T) {
		for _, c := range []struct{ path, field string }{
			{"alice/events?limit=0", "limit"}, {"alice/events?limit=1001", "limit"}, {"alice/events?limit=x", "limit"}, {"alice/events?after=-1", "after"},
			{"alice/events?after=x", "after"}, {"alice/events?after=01", "after"}, {"alice/events?from=1", "from"}, {"alice/events?after=1&after=2", "after"},
			{"a%2Fb/events", "aggregate_id"},
			{"alice?version=0", "version"}, {"alice?version=-1", "version"}, {"alice?version=1.0", "version"}, {"alice?version=", "version"},
			{"alice?version=9223372036854775808", "version"}, {"alice?at=yesterday", "at"}, {"alice?at=", "at"}, {"alice?at=2026-01-01T00:00:00", "at"},
			{"alice?at=2026-01-01T00:00:00+01:00", "at"}, {"alice?version=1&at=2026-01-01T00:00:00Z", "at"}, {"alice?as=1", "as"},
		} {
			w.get(t, "/v1/account/"+c.path).is(t, c.path, 400, map[string]any{"code": "invalid_field", "field": c.field})
		}
		w.get(t, "/v1/account/nobody/events").is(t, "no events", 404, map[string]any{"code": "not_found"})
		w.get(t, "/v1/account/nobody/events?after=7").is(t, "no events", 404, map[string]any{"code": "not_found"})
		w.get(t, "/v1/acount/alice/events").is(t, "no such aggregate", 404, map[string]any{"code": "not_found"})
		future := foldlog.Token{{Aggregate: "account", Partition: 0, Offset: 1 << 40}, {Aggregate: "account", Partition: 1, Offset: 1 << 40},
			{Aggregate: "account", Partition: 2, Offset: 1 << 40}, {Aggregate: "account", Partition: 3, Offset: 1 << 40}}.String()
		hasty := w.behind(t, func(c *edge.Config) { c.VisibilityTimeout = 200 * time.Millisecond })
		for _, path := range []string{"/v1/account/alice/events", "/v1/account/alice?version=1", "/v1/traces/talk-9"} {
			hasty.get(t, path, "Foldlog-After", future).is(t, path, 504, map[string]any{"code": "not_yet_visible"})
			w.get(t, path, "Foldlog-After", "!").is(t, path, 400, map[string]any{"code": "invalid_field", "field": "Foldlog-After"})
		}
	})
	t.Run("as of", func(t *testing.T) {
		events := w.history(t, "/v1/account/alice/events", "Foldlog-After", token).Events
		now := w.get(t, "/v1/account/alice", "Foldlog-After", token)
		same := w.get(t, "/v1/account/alice?version=13")
		if same.body != now.body || same.header.Get("ETag") != `"13"` || now.header.Get("ETag") != `"13"` || same.header.Get("Foldlog-Position") == "" {
			t.Errorf("as of the newest version: %s %v, now: %s", same.body, same.header, now.body)
		}
		w.get(t, "/v1/account/alice?at="+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)).is(t, "in the future", 200, map[string]any{"version": 13})
		third := events[2].RecordedAt
		before := w.get(t, "/v1/account/alice?at="+url.QueryEscape(third.In(time.FixedZone("", 3600)).Format(time.RFC3339Nano)))
		body := before.is(t, "inclusive, another zone", 200, map[string]any{"recorded_at": third.Format(time.RFC3339Nano)})
		if version, _ := body["version"].(json.Number).Int64(); version < 3 {
			t.Errorf("at the time of version 3 it was version %d", version)
		}
		if events[2].RecordedAt.After(events[1].RecordedAt) {
			w.get(t, "/v1/account/alice?at="+third.Add(-time.Microsecond).Format(time.RFC3339Nano)).is(t, "just before", 200, map[string]any{"version": 2})
		}
		second := w.get(t, "/v1/account/alice?version=2")
		if second.is(t, "version 2", 200, map[string]any{"aggregate_id": "alice", "version": 2}); !strings.Contains(second.body, `"balance":900000000000001`) {
			t.Errorf("version 2: %s", second.body)
		}
		if got := w.get(t, "/v1/account/alice?version=2", "If-None-Match", `"2"`); got.status != http.StatusNotModified || got.body != "" {
			t.Errorf("unchanged: %+v", got)
		}
		for path, says := range map[string]string{
			"alice?version=14":                  `account \"alice\" has no version 14 yet; its newest is 13`,
			"alice?at=2020-01-01T00:00:00Z":     `account \"alice\" had no events at 2020-01-01T00:00:00Z`,
			"nobody?version=1":                  `account \"nobody\" has no events`,
			"nobody?at=2020-01-01T00:00:00Z":    `account \"nobody\" has no events`,
			"alice?at=0001-01-01T00:00:00Z":     `had no events at 0001-01-01T00:00:00Z`,
			"alice?version=9223372036854775807": `has no version 9223372036854775807 yet`,
		} {
			got := w.get(t, "/v1/account/"+path)
			if got.is(t, path, 404, map[string]any{"code": "not_found"}); !strings.Contains(got.body, says) {
				t.Errorf("%s: %s", path, got.body)
			}
		}
	})
	t.Run("Go client", func(t *testing.T) {
		c, err := client.New(client.Config{URL: w.url})
		if err != nil {
			t.Fatal(err)
		}
		var all []client.Event
		for event, err := range c.Events(t.Context(), "account", "alice", client.EventQuery{After: 1, Limit: 5}) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, event)
		}
		if len(all) != 12 || all[0].Version != 2 || all[11].Version != 13 || *all[11].CausationID != "last-1" || len(all[11].Log.Chain) != 64 {
			t.Errorf("%d events: %+v", len(all), all)
		}
		page, err := c.EventPage(t.Context(), "account", "alice", client.EventQuery{Limit: 13})
		if err != nil || len(page.Events) != 13 || page.Next != 0 || len(page.Position) == 0 {
			t.Errorf("%+v, %v", page, err)
		}
		for _, moment := range []client.Moment{{Version: 12}, {At: all[10].RecordedAt}} {
			state, err := c.StateAsOf(t.Context(), "account", "alice", moment, page.Position)
			if err != nil || state.Version < 12 || state.AggregateID != "alice" || len(state.Position) == 0 {
				t.Errorf("%+v, %v", state, err)
			}
		}
		if _, err := c.StateAsOf(t.Context(), "account", "alice", client.Moment{Version: 14}, nil); client.CodeOf(err) != "not_found" {
			t.Errorf("%v", err)
		}
		for _, err := range c.Events(t.Context(), "account", "nobody", client.EventQuery{}) {
			if client.CodeOf(err) != "not_found" {
				t.Errorf("%v", err)
			}
		}
		trace, err := c.Trace(t.Context(), "last-1", page.Position)
		if err != nil || len(trace.Commands) != 1 || trace.Commands[0].CommandType != "withdraw" || trace.Commands[0].Events[0].EventID != all[11].EventID {
			t.Errorf("%+v, %v", trace, err)
		}
	})
	t.Run("trace of a transfer", func(t *testing.T) { traceOfATransfer(t, w) })
}

// traced is a trace as a client reads it.
type traced struct {
	ID             string          `json:"id"`
	CorrelationIDs []string        `json:"correlation_ids"`
	Commands       []tracedCommand `json:"commands"`
	Truncated      bool            `json:"truncated"`
}

type tracedCommand struct {
	Aggregate   string        `json:"aggregate"`
	AggregateID string        `json:"aggregate_id"`
	CommandID   string        `json:"command_id"`
	Type        string        `json:"command_type"`
	Actor       string        `json:"actor"`
	RecordedAt  time.Time     `json:"recorded_at"`
	Accepted    bool          `json:"accepted"`
	Code        string        `json:"code"`
	Detail      string        `json:"detail"`
	Events      []tracedEvent `json:"events"`
}

type tracedEvent struct {
	EventID  string          `json:"event_id"`
	Type     string          `json:"event_type"`
	Version  int64           `json:"version"`
	Data     json.RawMessage `json:"data"`
	Commands []tracedCommand `json:"commands"`
}

// path goes down the tree by the only command of the only event, and returns what it met.
func (c tracedCommand) path(t *testing.T) string {
	t.Helper()
	met := fmt.Sprintf("%s %s %s", c.Type, c.Aggregate, c.AggregateID)
	if !c.Accepted {
		return met + " " + c.Code
	}
	if len(c.Events) != 1 || c.RecordedAt.IsZero() {
		t.Fatalf("%s: %d events, at %s", met, len(c.Events), c.RecordedAt)
	}
	e := c.Events[0]
	met += " > " + e.Type
	if len(e.Commands) == 0 {
		return met
	}
	return met + " > " + e.Commands[0].path(t)
}

func traceOfATransfer(t *testing.T, w *world) {
	w.post(t, "/v1/account/bob/open", open, "").is(t, "open", 200, nil)
	w.post(t, "/v1/transfer/tr-1/request", `{"from":"alice","to":"bob","amount":9007199254740993,"currency":"EUR","reference":"rent"}`, "pay-rent").is(t, "request", 422, nil)
	w.post(t, "/v1/transfer/tr-1/request", `{"from":"alice","to":"bob","amount":900719925474099,"currency":"EUR","reference":"rent"}`, "pay-rent-2",
		"Foldlog-Correlation-Id", "talk-9").is(t, "request", 200, nil)
	const whole = "request transfer tr-1 > TransferRequested > debit account alice > Debited > confirm-debit transfer tr-1 > TransferDebited" +
		" > credit account bob > Credited > confirm-credit transfer tr-1 > TransferCompleted"
	var trace traced
	eventually(t, 30*time.Second, "traced", func() (bool, string) {
		got := w.get(t, "/v1/traces/pay-rent-2")
		if got.status != http.StatusOK {
			return false, got.body
		}
		trace = traced{}
		if err := json.Unmarshal([]byte(got.body), &trace); err != nil {
			t.Fatal(err)
		}
		// The conversation was begun by a withdrawal.
		return len(trace.Commands) == 2 && trace.Commands[1].path(t) == whole, got.body
	})
	if trace.ID != "pay-rent-2" || fmt.Sprint(trace.CorrelationIDs) != "[talk-9]" || trace.Truncated || trace.Commands[0].CommandID != "last-1" {
		t.Errorf("%+v", trace)
	}
	request := trace.Commands[1]
	debit := request.Events[0].Commands[0]
	credit := debit.Events[0].Commands[0].Events[0].Commands[0]
	if request.Actor != "anonymous" || debit.Actor != "policy:transfer-steps" || debit.CommandID != foldlog.PolicyCommandID("transfer-steps", request.Events[0].EventID, 0) {
		t.Errorf("the request is by %s, the debit by %s under %s", request.Actor, debit.Actor, debit.CommandID)
	}
	if credit.Aggregate != "account" || credit.AggregateID != "bob" || !strings.Contains(string(credit.Events[0].Data), `"amount":900719925474099,`) {
		t.Errorf("the credit is %+v", credit)
	}
	whole1 := w.get(t, "/v1/traces/talk-9").body
	for _, id := range []string{request.Events[0].EventID, credit.CommandID, credit.Events[0].EventID, "last-1"} {
		if got := w.get(t, "/v1/traces/"+id).body; strings.ReplaceAll(got, `"id":"`+id+`"`, `"id":"talk-9"`) != whole1 {
			t.Errorf("by %s: %s", id, got)
		}
	}
	got := w.get(t, "/v1/traces/pay-rent")
	if got.is(t, "a refusal", 200, map[string]any{"correlation_ids": []any{"pay-rent"}}); !strings.Contains(got.body, `"code":"amount_overflow"`) ||
		!strings.Contains(got.body, `"accepted":false`) || !strings.Contains(got.body, `"actor":"anonymous"`) || !strings.Contains(got.body, `"command_type":"request"`) || !strings.Contains(got.body, `"events":[]`) {
		t.Errorf("a refusal: %s", got.body)
	}
	w.get(t, "/v1/traces/nothing").is(t, "nothing", 404, map[string]any{"code": "not_found"})
	w.get(t, "/v1/traces/a%20b").is(t, "no id", 400, map[string]any{"code": "invalid_field", "field": "id"})
	w.get(t, "/v1/traces/"+strings.Repeat("x", 201)).is(t, "no id", 400, map[string]any{"code": "invalid_field", "field": "id"})
	w.get(t, "/v1/traces/talk-9?limit=1").is(t, "parameter", 400, map[string]any{"code": "invalid_field", "field": "limit"})
}
