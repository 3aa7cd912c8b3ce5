package edge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/processors"
)

// newBank is a world where the bank's own processors decide.
func newBank(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, nil)
	p, err := processors.New(processors.Config{Topology: w.topology, Settings: w.settings, Codecs: w.codecs, Cluster: w.cluster, DataDir: t.TempDir(),
		Instance: "test", Logger: w.logger, Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	w.run("processors", p.Run)
	eventually(t, time.Minute, "processing", func() (bool, string) {
		err := p.Ready()
		return err == nil, fmt.Sprint(err)
	})
	return w
}

const open = `{"holder":"Alice","currency":"EUR","overdraft_limit":0}`

func TestTheBankOverHTTP(t *testing.T) {
	w := newBank(t)
	deposit := func(amount string) string { return depositOf(amount, "r") }

	opened := w.post(t, "/v1/account/alice/open", open, "open-1", "If-Match", `"0"`).is(t, "open", 200,
		map[string]any{"command_id": "open-1", "accepted": true, "first_version": 1, "version": 1, "repeat": nil})
	token, _ := opened["token"].(string)
	if ids, _ := opened["event_ids"].([]any); token == "" || len(ids) != 1 || ids[0] != foldlog.EventID("open-1", "alice", 0) {
		t.Fatalf("opened: %v", opened)
	}

	t.Run("state", func(t *testing.T) {
		got := w.get(t, "/v1/account/alice", "Foldlog-After", token)
		body := got.is(t, "state", 200, map[string]any{"aggregate_id": "alice", "version": 1})
		if state, ok := body["state"].(map[string]any); !ok || state["currency"] != "EUR" {
			t.Errorf("state: %s", got.body)
		}
		if got.header.Get("ETag") != `"1"` || got.header.Get("Foldlog-Position") == "" {
			t.Errorf("headers: %v", got.header)
		}
		again := w.get(t, "/v1/account/alice", "If-None-Match", `"1"`)
		if again.status != http.StatusNotModified || again.body != "" || again.header.Get("ETag") != `"1"` {
			t.Errorf("unchanged: %+v", again)
		}
		w.get(t, "/v1/account/nobody").is(t, "without events", 404, map[string]any{"code": "not_found"})
	})
	t.Run("a read after each write sees it", func(t *testing.T) {
		for i := range 30 {
			command, fields := "deposit", deposit("1")
			if i == 0 {
				command, fields = "open", open
			}
			body := w.post(t, "/v1/account/reader/"+command, fields, "").is(t, "write", 200, nil)
			token, _ := body["token"].(string)
			w.get(t, "/v1/account/reader", "Foldlog-After", token).is(t, "state", 200, map[string]any{"version": i + 1})
			row := w.get(t, "/v1/views/balances/reader", "Foldlog-After", token).is(t, "row", 200, map[string]any{"key": "reader"})
			if got := jsonOf(t, row["row"].(map[string]any)["version"]); got != fmt.Sprint(i+1) {
				t.Errorf("the row has version %s after write %d", got, i+1)
			}
		}
	})
	t.Run("int64 stays exact", func(t *testing.T) {
		w.post(t, "/v1/account/exact/open", open, "").is(t, "open", 200, nil)
		var body map[string]any
		for i := range 11 { // 10^16 + 1 is past what a double can hold
			body = w.post(t, "/v1/account/exact/deposit", deposit([]string{"1000000000000000", "1"}[i/10]), "").is(t, "deposit", 200, nil)
		}
		for _, path := range []string{"/v1/account/exact", "/v1/views/balances/exact"} {
			if got := w.get(t, path, "Foldlog-After", body["token"].(string)); !strings.Contains(got.body, `"balance":10000000000000001`) {
				t.Errorf("%s: %s", path, got.body)
			}
		}
	})
	t.Run("refusals", func(t *testing.T) {
		for _, tc := range []struct {
			what, path, body, id, match string
			status                      int
			members                     map[string]any
		}{
			{"wrong version", "alice/deposit", deposit("5"), "c1", `"7"`, 412, map[string]any{"code": "version_conflict", "command_id": "c1"}},
			{"must not exist", "alice/open", open, "c2", `"0"`, 412, map[string]any{"code": "version_conflict"}},
			{"exists", "alice/open", open, "c3", "", 422, map[string]any{"code": "already_exists"}},
			{"no account", "ghost/deposit", deposit("5"), "c4", "", 422, map[string]any{"code": "unknown_aggregate"}},
			{"no money", "alice/withdraw", deposit("5"), "c5", "", 422, map[string]any{"code": "insufficient_funds"}},
			{"same id, other content", "alice/deposit", deposit("5"), "open-1", "", 422, map[string]any{"code": "command_id_reused", "repeat": true}},
			{"too much", "alice/deposit", deposit("9223372036854775807"), "c6", "", 422, map[string]any{"code": "amount_overflow"}},
		} {
			var headers []string
			if tc.match != "" {
				headers = []string{"If-Match", tc.match}
			}
			w.post(t, "/v1/account/"+tc.path, tc.body, tc.id, headers...).is(t, tc.what, tc.status, tc.members)
		}
		w.get(t, "/v1/account/alice/commands/c5").is(t, "asked later", 200,
			map[string]any{"command_id": "c5", "accepted": false, "code": "insufficient_funds"})
		w.get(t, "/v1/account/alice/commands/open-1").is(t, "asked later", 200, map[string]any{"accepted": true, "version": 1, "repeat": nil})
		w.get(t, "/v1/account/alice/commands/never").is(t, "never sent", 404, map[string]any{"code": "not_found"})
	})
	t.Run("a repeat changes nothing", func(t *testing.T) {
		body := w.post(t, "/v1/account/alice/open", open, "open-1", "If-Match", `"0"`).is(t, "repeat", 200,
			map[string]any{"version": 1, "repeat": true, "event_ids": opened["event_ids"], "token": token, "recorded_at": opened["recorded_at"]})
		if len(body) == 0 {
			t.Error("empty")
		}
		w.get(t, "/v1/account/alice", "Foldlog-After", token).is(t, "state", 200, map[string]any{"version": 1})
	})
	t.Run("bad input", func(t *testing.T) { badInput(t, w) })
	t.Run("views", func(t *testing.T) { viewPages(t, w) })
	t.Run("Go client", func(t *testing.T) { goClient(t, w) })
}

// badInput never reaches the log: nothing of it may be seen there afterwards.
func badInput(t *testing.T, w *world) {
	type members = map[string]any
	invalid := func(field string) members { return members{"code": "invalid_field", "field": field} }
	for _, tc := range []struct {
		what, path, body string
		status           int
		members          members
	}{
		{"not JSON", "account/b/deposit", `{"amount":`, 400, members{"code": "malformed", "command_id": "bad"}},
		{"no object", "account/b/deposit", `[1]`, 400, nil},
		{"empty", "account/b/deposit", ``, 400, members{"code": "malformed"}},
		{"two values", "account/b/deposit", depositOf("1", "r") + `{}`, 400, members{"code": "malformed"}},
		{"not UTF-8", "account/b/deposit", depositOf("1", "\xff"), 400, members{"code": "malformed"}},
		{"text for a number", "account/b/deposit", depositOf(`"1"`, "r"), 400, invalid("amount")},
		{"a fraction", "account/b/deposit", depositOf("1.5", "r"), 400, invalid("amount")},
		{"past int64", "account/b/deposit", depositOf("9223372036854775808", "r"), 400, invalid("amount")},
		{"missing", "account/b/deposit", `{"currency":"EUR","reference":"r"}`, 400, invalid("amount")},
		{"unknown", "account/b/deposit", `{"amount":1,"currency":"EUR","reference":"r","x":1}`, 400, invalid("x")},
		{"twice", "account/b/deposit", `{"amount":1,"amount":2,"currency":"EUR","reference":"r"}`, 400, invalid("amount")},
		{"no currency", "account/b/deposit", `{"amount":1,"currency":"euro","reference":"r"}`, 400, invalid("currency")},
		{"id with a slash", "account/a%2Fb/open", open, 400, invalid("aggregate_id")},
		{"traversal", "account/%2e%2e/open", open, 400, invalid("aggregate_id")},
		{"reserved id", "account/__offset/open", open, 400, invalid("aggregate_id")},
		{"long id", "account/" + strings.Repeat("a", foldlog.MaxIDLength+1) + "/open", open, 400, invalid("aggregate_id")},
		{"empty id", "account//open", open, 400, invalid("aggregate_id")},
		{"parameter", "account/b/deposit?version=1", depositOf("1", "r"), 400, invalid("version")},
		{"internal command", "account/b/debit", `{"transfer_id":"t","counterparty":"c","amount":1,"currency":"EUR"}`, 404, members{"code": "not_found"}},
		{"unknown command", "account/b/steal", `{}`, 404, members{"code": "not_found"}},
		{"unknown aggregate", "acount/b/open", open, 404, members{"code": "not_found"}},
	} {
		w.post(t, "/v1/"+tc.path, tc.body, "bad").is(t, tc.what, tc.status, tc.members)
	}
	w.post(t, "/v1/account/b/open", open, "bad", "If-Match", "7").is(t, "If-Match", 400, invalid("If-Match"))
	w.post(t, "/v1/account/b/open", open, "a b").is(t, "command id", 400, invalid("Idempotency-Key"))
	w.post(t, "/v1/account/b/open", open, "bad", "Foldlog-Correlation-Id", "ü").is(t, "correlation", 400, invalid("Foldlog-Correlation-Id"))
	w.call(t, "POST", "/v1/account/b/open", open, "Content-Type", "text/plain").is(t, "media type", 415,
		map[string]any{"code": "unsupported_media_type"})
	w.call(t, "PUT", "/v1/account/b/open", open).is(t, "method", 405, map[string]any{"code": "method_not_allowed"})
	w.get(t, "/v1/account/alice?at=2026-01-01").is(t, "as of", 400, invalid("at"))
	w.get(t, "/v1/account/alice", "Foldlog-After", "!").is(t, "token", 400, invalid("Foldlog-After"))
	w.get(t, "/v1/views/balances?limit=0").is(t, "limit", 400, invalid("limit"))
	w.get(t, "/v1/views/balances?limit=1001").is(t, "limit", 400, invalid("limit"))
	w.get(t, "/v1/views/balances?prefix=%ff").is(t, "prefix", 400, invalid("prefix"))
	w.get(t, "/v1/views/balances/"+strings.Repeat("k", foldlog.MaxViewKeyLength+1)).is(t, "key", 400, invalid("key"))
	w.get(t, "/v1/views/balances/none").is(t, "row", 404, map[string]any{"code": "not_found"})
	w.get(t, "/v1/account/b").is(t, "afterwards", 404, map[string]any{"code": "not_found"})
	w.get(t, "/v1/account/b/commands/bad").is(t, "afterwards", 404, map[string]any{"code": "not_found"})
	future := foldlog.Token{{Aggregate: "account", Partition: 0, Offset: 1 << 40}, {Aggregate: "account", Partition: 1, Offset: 1 << 40},
		{Aggregate: "account", Partition: 2, Offset: 1 << 40}, {Aggregate: "account", Partition: 3, Offset: 1 << 40}}
	w.get(t, "/v1/account/alice", "Foldlog-After", future.String()).is(t, "not yet", 504, map[string]any{"code": "not_yet_visible"})
}

func viewPages(t *testing.T, w *world) {
	holders := []string{"holder/1", "holder/2 ü%", "holder/3?#", "holder/4", "other"}
	var tokens []string
	for i, holder := range holders {
		fields := `{"holder":` + jsonOf(t, holder) + `,"currency":"EUR","overdraft_limit":0}`
		body := w.post(t, fmt.Sprintf("/v1/account/page-%d/open", i), fields, "").is(t, "open", 200, nil)
		tokens = append(tokens, body["token"].(string))
	}
	after := strings.Join(tokens, ",")
	for _, holder := range holders {
		w.get(t, "/v1/views/accounts-by-holder/"+url.PathEscape(holder), "Foldlog-After", after).is(t, holder, 200, map[string]any{"key": holder})
	}
	var keys []string
	query := "?prefix=holder%2F&limit=3"
	for pages := 1; ; pages++ {
		got := w.get(t, "/v1/views/accounts-by-holder"+query, "Foldlog-After", after)
		body := got.is(t, "page", 200, nil)
		for _, row := range body["rows"].([]any) {
			keys = append(keys, row.(map[string]any)["key"].(string))
		}
		next, more := body["next"].(string)
		if !more {
			if pages != 2 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		query = "?prefix=holder%2F&limit=3&after=" + url.QueryEscape(next)
	}
	if got, want := fmt.Sprint(keys), fmt.Sprint(holders[:4]); got != want {
		t.Errorf("keys %s, want %s", got, want)
	}
	w.get(t, "/v1/views/accounts-by-holder?prefix=nobody").is(t, "no rows", 200, map[string]any{"rows": []any{}, "next": nil})
}

func goClient(t *testing.T, w *world) {
	c, err := client.New(client.Config{URL: w.url})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	zero := int64(0)
	first, err := c.Send(ctx, client.Command{Aggregate: "account", ID: "carol", Type: "open", Data: json.RawMessage(open), ExpectedVersion: &zero})
	if err != nil || first.Version != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := c.Send(ctx, client.Command{Aggregate: "account", ID: "carol", Type: "deposit",
		Data: map[string]any{"amount": int64(900000000000001), "currency": "EUR", "reference": "salary"}})
	if err != nil || second.Version != 2 {
		t.Fatalf("%+v, %v", second, err)
	}
	state, err := c.State(ctx, "account", "carol", second.Token)
	if err != nil || state.Version != 2 || len(state.Position) == 0 {
		t.Fatalf("%+v, %v", state, err)
	}
	row, err := c.ViewRow(ctx, "balances", "carol", second.Token)
	if err != nil || !strings.Contains(string(row.Data), `"balance":900000000000001`) {
		t.Fatalf("%s, %v", row.Data, err)
	}
	if again, err := c.Command(ctx, "account", "carol", second.CommandID); err != nil || !again.Accepted || again.Version != 2 {
		t.Errorf("%+v, %v", again, err)
	}
	_, err = c.Send(ctx, client.Command{Aggregate: "account", ID: "carol", Type: "open", Data: json.RawMessage(open)})
	if client.CodeOf(err) != "already_exists" {
		t.Errorf("opened twice: %v", err)
	}
	found := 0
	for row, err := range c.ViewRows(ctx, "balances", client.Query{Prefix: "carol", Limit: 1}) {
		if err != nil || row.Key != "carol" {
			t.Errorf("%+v, %v", row, err)
		}
		found++
	}
	if found != 1 {
		t.Errorf("%d rows", found)
	}
}
