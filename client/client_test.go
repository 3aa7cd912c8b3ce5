package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/client"
)

// script is a server that answers attempt n with the nth handler, and all later ones with the last.
type script struct {
	handlers []http.HandlerFunc

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	n := min(len(s.requests), len(s.handlers)-1)
	s.requests = append(s.requests, r)
	s.bodies = append(s.bodies, string(body))
	s.mu.Unlock()
	s.handlers[n](w, r)
}

func (s *script) seen() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *script) texts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies)
}

func (s *script) keys() []string {
	var keys []string
	for _, r := range s.seen() {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
	}
	return keys
}

func start(t *testing.T, patience time.Duration, handlers ...http.HandlerFunc) (*client.Client, *script) {
	t.Helper()
	s := &script{handlers: handlers}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := client.New(client.Config{URL: server.URL + "/", Patience: patience})
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

func accept(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, `{"command_id":%q,"accepted":true,"first_version":9007199254740993,"version":9007199254740994,"event_ids":["e1","e2"],
		"recorded_at":"2026-09-01T10:00:00.123456Z","token":%q}`,
		r.Header.Get("Idempotency-Key"), foldlog.Token{{Aggregate: "account", Partition: 3, Offset: 41}})
}

func refuse(status int, code string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"type":"about:blank","status":%d,"code":%q,"detail":"because","field":"amount","command_id":%q}`,
			status, code, r.Header.Get("Idempotency-Key"))
	}
}

// cut breaks the connection after the request was read.
func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// half breaks the connection within the answer.
func half(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, `{"command_id":`)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

var deposit = client.Command{Aggregate: "account", ID: "a:1", Type: "deposit", Data: map[string]any{"amount": int64(9007199254740993)}}

func TestSendRetriesWithTheSameID(t *testing.T) {
	for _, given := range []string{"", "my-id"} {
		c, s := start(t, time.Minute, cut, half, refuse(503, "unavailable"), refuse(504, "outcome_unknown"), refuse(429, "too_many_requests"),
			func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bad gateway", http.StatusBadGateway) }, accept)
		command := deposit
		command.CommandID = given
		outcome, err := c.Send(t.Context(), command)
		if err != nil {
			t.Fatal(err)
		}
		keys := s.keys()
		if len(keys) != 7 {
			t.Fatalf("%d attempts, want 7", len(keys))
		}
		if slices.Sort(keys); keys[0] == "" || keys[0] != keys[6] || given != "" && keys[0] != given {
			t.Errorf("attempts had the ids %q", keys)
		}
		if outcome.CommandID != keys[0] || outcome.Version != 9007199254740994 || len(outcome.EventIDs) != 2 ||
			outcome.Token.String() != (foldlog.Token{{Aggregate: "account", Partition: 3, Offset: 41}}).String() ||
			!outcome.RecordedAt.Equal(time.Date(2026, 9, 1, 10, 0, 0, 123456000, time.UTC)) {
			t.Errorf("outcome is %+v", outcome)
		}
		for _, body := range s.texts() {
			if body != `{"amount":9007199254740993}` {
				t.Errorf("body was %s", body)
			}
		}
	}
}

func TestSendRetriesWhereNobodyListensYet(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	c, err := client.New(client.Config{URL: "http://" + address})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	refused := make(chan struct{})
	go func() {
		short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := c.Send(short, deposit); err == nil {
			t.Error("a server that is not there answered")
		}
		close(refused)
		_, err := c.Send(t.Context(), deposit)
		done <- err
	}()
	<-refused
	if listener, err = net.Listen("tcp", address); err != nil {
		t.Skipf("the port was taken meanwhile: %v", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(accept)}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestRefusalsAreNotRetried(t *testing.T) {
	for status, code := range map[int]string{400: "invalid_field", 404: "not_found", 412: "version_conflict", 413: "too_large",
		415: "unsupported_media_type", 422: "insufficient_funds", 500: "internal_error"} {
		c, s := start(t, time.Minute, refuse(status, code))
		outcome, err := c.Send(t.Context(), deposit)
		var p *client.Problem
		if !errors.As(err, &p) || p.Status != status || p.Code != code || p.Field != "amount" || p.Detail != "because" || client.CodeOf(err) != code {
			t.Errorf("%d: got %v", status, err)
		}
		if len(s.seen()) != 1 || outcome.CommandID == "" || outcome.CommandID != s.keys()[0] || p.CommandID != outcome.CommandID {
			t.Errorf("%d: %d attempts, outcome %+v", status, len(s.seen()), outcome)
		}
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	c, s := start(t, time.Minute, refuse(503, "unavailable", "Retry-After", "1"), accept)
	begin := time.Now()
	if _, err := c.Send(t.Context(), deposit); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < time.Second || len(s.seen()) != 2 {
		t.Errorf("%d attempts within %s", len(s.seen()), took)
	}
}

func TestRetryingEnds(t *testing.T) {
	t.Run("with the patience", func(t *testing.T) {
		c, s := start(t, 300*time.Millisecond, refuse(504, "outcome_unknown"))
		outcome, err := c.Send(t.Context(), deposit)
		if client.CodeOf(err) != "outcome_unknown" || outcome.CommandID == "" || !strings.Contains(err.Error(), outcome.CommandID) {
			t.Errorf("got %+v, %v", outcome, err)
		}
		if len(s.seen()) < 2 {
			t.Errorf("%d attempts", len(s.seen()))
		}
	})
	t.Run("when the server asks for more than the patience", func(t *testing.T) {
		c, s := start(t, time.Second, refuse(503, "unavailable", "Retry-After", "3600"))
		if _, err := c.Send(t.Context(), deposit); client.CodeOf(err) != "unavailable" || len(s.seen()) != 1 {
			t.Errorf("got %v after %d attempts", err, len(s.seen()))
		}
	})
	t.Run("at once without patience", func(t *testing.T) {
		c, s := start(t, -1, cut)
		if _, err := c.Send(t.Context(), deposit); err == nil || len(s.seen()) != 1 {
			t.Errorf("got %v after %d attempts", err, len(s.seen()))
		}
	})
	t.Run("with the context", func(t *testing.T) {
		c, _ := start(t, time.Hour, refuse(503, "unavailable", "Retry-After", "60"))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := c.Send(ctx, deposit)
		if !errors.Is(err, context.DeadlineExceeded) || client.CodeOf(err) != "unavailable" {
			t.Errorf("got %v", err)
		}
	})
}

func TestSendWritesTheRequest(t *testing.T) {
	c, s := start(t, -1, accept)
	zero := int64(0)
	command := client.Command{Aggregate: "account", ID: "a~1", Type: "open", CommandID: "k/1", CorrelationID: "conversation", ExpectedVersion: &zero}
	if _, err := c.Send(t.Context(), command); err != nil {
		t.Fatal(err)
	}
	r := s.seen()[0]
	if r.Method != "POST" || r.URL.EscapedPath() != "/v1/account/a~1/open" || s.texts()[0] != "{}" {
		t.Errorf("sent %s %s %s", r.Method, r.URL, s.texts()[0])
	}
	for name, want := range map[string]string{"Idempotency-Key": "k/1", "If-Match": `"0"`,
		"Foldlog-Correlation-Id": "conversation", "Content-Type": "application/json"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestAnOutcomeOfSomethingElseIsNotBelieved(t *testing.T) {
	for _, body := range []string{`{}`, `{"command_id":"other","accepted":true}`, `not JSON`, `{"command_id":"k","accepted":true,"token":"!"}`} {
		c, _ := start(t, -1, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		command := deposit
		command.CommandID = "k"
		if outcome, err := c.Send(t.Context(), command); err == nil {
			t.Errorf("%s: believed: %+v", body, outcome)
		}
	}
}

func TestReads(t *testing.T) {
	position := foldlog.Token{{Aggregate: "account", Partition: 0, Offset: 7}}
	reply := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Foldlog-Position", r.Header.Get("Foldlog-After"))
			_, _ = io.WriteString(w, body)
		}
	}
	t.Run("state", func(t *testing.T) {
		c, s := start(t, -1, reply(`{"aggregate_id":"a","version":3,"recorded_at":"2026-09-01T10:00:00Z","state":{"balance":9223372036854775807}}`))
		state, err := c.State(t.Context(), "account", "a", position)
		if err != nil {
			t.Fatal(err)
		}
		var data struct{ Balance int64 }
		if err := json.Unmarshal(state.Data, &data); err != nil || data.Balance != 9223372036854775807 || state.Version != 3 {
			t.Errorf("state %+v, %v", state, err)
		}
		if state.Position.String() != position.String() || s.seen()[0].URL.Path != "/v1/account/a" {
			t.Errorf("position %v of %s", state.Position, s.seen()[0].URL)
		}
	})
	t.Run("row with a key that needs encoding", func(t *testing.T) {
		c, s := start(t, -1, reply(`{"key":"a/b %?ü","row":{"n":1}}`))
		row, err := c.ViewRow(t.Context(), "by-holder", "a/b %?ü", nil)
		if err != nil || row.Key != "a/b %?ü" || string(row.Data) != `{"n":1}` {
			t.Errorf("row %+v, %v", row, err)
		}
		if got := s.seen()[0].URL.EscapedPath(); got != "/v1/views/by-holder/a%2Fb%20%25%3F%C3%BC" {
			t.Errorf("asked for %s", got)
		}
	})
	t.Run("pages", func(t *testing.T) {
		c, s := start(t, -1, reply(`{"rows":[{"key":"a","row":1},{"key":"b","row":2}],"next":"b"}`), reply(`{"rows":[{"key":"c","row":3}]}`))
		var keys []string
		for row, err := range c.ViewRows(t.Context(), "balances", client.Query{Prefix: "p/", Limit: 2, Token: position}) {
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, row.Key)
		}
		if !slices.Equal(keys, []string{"a", "b", "c"}) {
			t.Errorf("keys %q", keys)
		}
		if q := s.seen()[1].URL.Query(); q.Get("after") != "b" || q.Get("prefix") != "p/" || q.Get("limit") != "2" {
			t.Errorf("second page asked with %v", q)
		}
	})
	t.Run("outcome of a refusal", func(t *testing.T) {
		c, s := start(t, -1, reply(`{"command_id":"k/1","accepted":false,"code":"insufficient_funds","detail":"no","recorded_at":"2026-09-01T10:00:00Z"}`))
		o, err := c.Command(t.Context(), "account", "a", "k/1")
		if err != nil || o.Accepted || o.Code != "insufficient_funds" || o.Token != nil {
			t.Errorf("outcome %+v, %v", o, err)
		}
		if got := s.seen()[0].URL.EscapedPath(); got != "/v1/account/a/commands/k%2F1" {
			t.Errorf("asked for %s", got)
		}
	})
	t.Run("reads retry", func(t *testing.T) {
		c, s := start(t, time.Minute, refuse(504, "not_yet_visible"), cut, reply(`{"key":"a","row":1}`))
		if _, err := c.ViewRow(t.Context(), "balances", "a", position); err != nil || len(s.seen()) != 3 {
			t.Errorf("%v after %d attempts", err, len(s.seen()))
		}
	})
}

func TestReadySaysWhatIsWaitedFor(t *testing.T) {
	reason := strings.Repeat("partition 3 of account-table ", 20)
	c, s := start(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, `{"ready":false,"waiting":{"views":%q,"processors":"starting"}}`, reason)
	}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"ready":true}`) })
	err := c.Ready(t.Context())
	if err == nil || !strings.Contains(err.Error(), "processors: starting; views: "+strings.TrimSpace(reason)) || len(s.seen()) != 1 {
		t.Errorf("got %v", err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, bad := range []string{"", "localhost:8080", "ftp://x", "http://", "http://x/?a=b", "http://x/#f", "http://%zz"} {
		if _, err := client.New(client.Config{URL: bad}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestConfiguredHeadersAreSent(t *testing.T) {
	s := &script{handlers: []http.HandlerFunc{accept}}
	server := httptest.NewServer(s)
	defer server.Close()
	c, err := client.New(client.Config{URL: server.URL, Header: http.Header{"authorization": {"Bearer x"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(t.Context(), deposit); err != nil {
		t.Fatal(err)
	}
	if got := s.seen()[0].Header.Get("Authorization"); got != "Bearer x" {
		t.Errorf("authorization is %q", got)
	}
}
