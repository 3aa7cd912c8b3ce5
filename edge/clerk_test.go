package edge_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/edge"
	"github.com/foldlog/foldlog/internal/record"
)

// clerk decides the commands of accounts by what a deposit's reference says, so that outcomes come
// about that no sound domain gives. It remembers the records that it saw.
type clerk struct {
	w      *world
	client *kgo.Client
	mu     sync.Mutex
	seen   map[string]*kgo.Record // by command id
}

func startClerk(t *testing.T, w *world) *clerk {
	t.Helper()
	opts, err := w.cluster.Franz()
	if err != nil {
		t.Fatal(err)
	}
	c := &clerk{w: w, seen: map[string]*kgo.Record{}}
	opts = append(opts, kgo.ConsumeTopics(w.settings.Names().Commands("account")), kgo.FetchMaxWait(100*time.Millisecond))
	if c.client, err = kgo.NewClient(opts...); err != nil {
		t.Fatal(err)
	}
	w.run("clerk", c.work)
	return c
}

func (c *clerk) record(commandID string) *kgo.Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[commandID]
}

func (c *clerk) work(ctx context.Context) error {
	defer c.client.Close()
	for {
		fetches := c.client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		for r := range fetches.RecordsAll() {
			if err := c.decide(ctx, r); err != nil {
				return err
			}
		}
	}
}

func (c *clerk) decide(ctx context.Context, r *kgo.Record) error {
	codec := c.w.codecs.Aggregate("account")
	command, err := codec.DecodeCommand(ctx, record.Of(r))
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.seen[command.CommandID] = r
	c.mu.Unlock()
	deposit, ok := command.Data.(account.Deposit)
	if !ok {
		return errors.New("the clerk knows deposits only")
	}
	position := foldlog.Position{Aggregate: "account", Partition: r.Partition, Offset: r.Offset}
	outcome := foldlog.Outcome{CommandID: command.CommandID, AggregateID: command.AggregateID, CommandType: command.Type, RecordedAt: command.RecordedAt,
		CorrelationID: command.CorrelationID, PayloadHash: command.PayloadHash, Position: position, Actor: command.Actor}
	verb, argument, _ := strings.Cut(deposit.Reference, " ")
	switch verb {
	case "accept":
		outcome.Accepted, outcome.FirstVersion, outcome.Version, outcome.EventIDs = true, 9007199254740993, 9007199254740994, []string{"e1", "e2"}
	case "nothing":
		outcome.Accepted, outcome.Version = true, 7
	case "repeat":
		outcome.Accepted, outcome.FirstVersion, outcome.Version, outcome.EventIDs, outcome.Repeat = true, 3, 3, []string{"e1"}, true
		outcome.Position.Offset = 0
	case "reject":
		outcome.Code, outcome.Message, outcome.Field = argument, "because <so>", "amount"
	case "silence":
		return nil
	case "other": // an answer to another record with the same id
		outcome.Accepted, outcome.Version = true, 1
		position.Offset += 1000
	}
	value, err := codec.EncodeOutcome(outcome)
	if err != nil {
		return err
	}
	c.client.Produce(ctx, &kgo.Record{Topic: c.w.settings.Names().Outcomes("account"), Key: r.Key, Value: value,
		Headers: []kgo.RecordHeader{{Key: codecs.HeaderCause, Value: []byte(position.String())}}}, nil)
	return nil
}

func depositOf(amount, reference string) string {
	return `{"amount":` + amount + `,"currency":"EUR","reference":"` + reference + `"}`
}

func TestOutcomesBecomeAnswers(t *testing.T) {
	w := newWorld(t, nil)
	c := startClerk(t, w)
	for _, tc := range []struct {
		reference string
		status    int
		members   map[string]any
	}{
		{"accept", 200, map[string]any{"accepted": true, "first_version": 9007199254740993,
			"version": 9007199254740994, "event_ids": []string{"e1", "e2"}, "repeat": nil}},
		{"nothing", 200, map[string]any{"accepted": true, "first_version": 0, "version": 7, "event_ids": []string{}, "token": nil}},
		{"repeat", 200, map[string]any{"accepted": true, "version": 3, "repeat": true}},
		{"reject version_conflict", 412, map[string]any{"code": "version_conflict", "detail": "because <so>", "status": 412}},
		{"reject insufficient_funds", 422, map[string]any{"code": "insufficient_funds", "detail": "because <so>", "field": "amount"}},
		{"reject unknown_aggregate", 422, map[string]any{"code": "unknown_aggregate"}},
		{"reject command_id_reused", 422, map[string]any{"code": "command_id_reused"}},
		{"reject key_mismatch", 422, map[string]any{"code": "key_mismatch"}},
		// it reached the log
		{"reject invalid_field", 422, map[string]any{"code": "invalid_field", "field": "amount"}},
		{"reject internal_error", 500, map[string]any{"code": "internal_error", "detail": "internal error"}},
	} {
		t.Run(tc.reference, func(t *testing.T) {
			id := strings.ReplaceAll(tc.reference, " ", "-")
			got := w.post(t, "/v1/account/a:1/deposit", depositOf("1", tc.reference), id)
			body := got.is(t, "answer", tc.status, tc.members)
			if body["command_id"] != id {
				t.Errorf("command id %v", body["command_id"])
			}
			if token, there := body["token"]; there && tc.reference != "repeat" {
				r := c.record(id)
				want := foldlog.Token{{Aggregate: "account", Partition: r.Partition, Offset: r.Offset}}.String()
				if token != want {
					t.Errorf("token %v, want %s", token, want)
				}
			}
			if tc.reference == "repeat" {
				return // only the first outcome is kept
			}
			eventually(t, 10*time.Second, "known", func() (bool, string) {
				got := w.get(t, "/v1/account/a:1/commands/"+id)
				return got.status == 200, got.body
			})
			members := tc.members
			if tc.status != 200 {
				members = map[string]any{"accepted": false, "code": tc.members["code"]}
				if tc.status == 500 {
					members["detail"] = "internal error"
				}
			}
			w.get(t, "/v1/account/a:1/commands/"+id).is(t, "asked later", 200, members)
		})
	}

	// A request may wait longer for its outcome than for its body.
	hasty := w.behind(t, func(c *edge.Config) { c.Gateway, c.ReadTimeout = w.gateway(t, 2*time.Second), time.Second })
	t.Run("silence", func(t *testing.T) {
		begin := time.Now()
		hasty.post(t, "/v1/account/a:1/deposit", depositOf("1", "silence"), "silent").is(t, "no outcome", http.StatusGatewayTimeout,
			map[string]any{"code": "outcome_unknown", "command_id": "silent"})
		if took := time.Since(begin); took < 2*time.Second || took > 5*time.Second {
			t.Errorf("answered after %s", took)
		}
		w.get(t, "/v1/account/a:1/commands/silent").is(t, "asked later", http.StatusNotFound, map[string]any{"code": "not_found"})
	})
	t.Run("an answer to another record with the same id is not this one's", func(t *testing.T) {
		hasty.post(t, "/v1/account/a:1/deposit", depositOf("1", "other"), "other").is(t, "answer", http.StatusGatewayTimeout,
			map[string]any{"code": "outcome_unknown"})
	})
	t.Run("what is written", func(t *testing.T) {
		trace := "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		w.post(t, "/v1/account/a:1/deposit", depositOf("9007199254740993", "accept"), "written", "Traceparent", trace, "If-Match", `"4"`,
			"Foldlog-Correlation-Id", "talk-1").is(t, "answer", 200, nil)
		r := c.record("written")
		headers := map[string]string{}
		for _, h := range r.Headers {
			headers[h.Key] = string(h.Value)
		}
		if string(r.Key) != "a:1" || headers["content-type"] != "application/avro" || headers["foldlog-actor"] != "anonymous" ||
			headers["traceparent"] != trace {
			t.Errorf("key %q, headers %v", r.Key, headers)
		}
		command, err := w.codecs.Aggregate("account").DecodeCommand(t.Context(), codecs.Record{Topic: r.Topic, Key: r.Key, Value: r.Value,
			Headers: []codecs.Header{{Key: codecs.HeaderActor, Value: []byte("anonymous")}}})
		if err != nil {
			t.Fatal(err)
		}
		if command.CorrelationID != "talk-1" || *command.ExpectedVersion != 4 || command.Actor != "anonymous" || command.CommandID != "written" ||
			command.Data.(account.Deposit).Amount != 9007199254740993 {
			t.Errorf("command %+v", command)
		}
	})
	t.Run("an id is made where none is given", func(t *testing.T) {
		body := w.post(t, "/v1/account/a:1/deposit", depositOf("1", "accept"), "").is(t, "answer", 200, nil)
		if id, _ := body["command_id"].(string); len(id) != 36 || c.record(id) == nil {
			t.Errorf("command id %v", body["command_id"])
		}
	})
	t.Run("a client that leaves does not take back its command", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/v1/account/a:1/deposit", strings.NewReader(depositOf("1", "silence")))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", "gone")
		done := make(chan error, 1)
		go func() {
			_, err := http.DefaultClient.Do(req)
			done <- err
		}()
		eventually(t, 10*time.Second, "in the log", func() (bool, string) { return c.record("gone") != nil, "" })
		cancel()
		if err := <-done; err == nil {
			t.Error("the client got an answer")
		}
		eventually(t, 10*time.Second, "counted", func() (bool, string) {
			metrics := w.get(t, "/metrics").body
			return strings.Contains(metrics, `route="/v1/{aggregate}/{id}/{command}",status="499"} 1`), metrics
		})
	})
	t.Run("many at once", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				id := "many-" + strconv.Itoa(i)
				w.post(t, "/v1/account/m"+strconv.Itoa(i%20)+"/deposit", depositOf("1", "accept"), id).is(t, id, 200, map[string]any{"command_id": id})
			})
		}
		all.Wait()
	})
}

// A view that has not recovered would answer as if nothing had ever happened.
func TestReadsWaitForRecovery(t *testing.T) {
	w := newWorld(t, nil)
	idle := w.openViews(t)
	defer idle.Close()
	w = w.behind(t, func(c *edge.Config) { c.Views = idle })
	for _, path := range []string{"/v1/account/a", "/v1/account/a/commands/k", "/v1/views/balances/a", "/v1/views/balances"} {
		got := w.get(t, path)
		got.is(t, path, http.StatusServiceUnavailable, map[string]any{"code": "unavailable"})
		if got.header.Get("Retry-After") != "1" {
			t.Errorf("%s: Retry-After is %q", path, got.header.Get("Retry-After"))
		}
	}
	if got := w.get(t, "/readyz"); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "account-table") {
		t.Errorf("readyz says %d %s", got.status, got.body)
	}
}

// A read that asks for what is not there yet is not answered with what is there.
func TestReadsWaitForWhatTheyAskFor(t *testing.T) {
	w := newWorld(t, func(c *edge.Config) { c.VisibilityTimeout = 300 * time.Millisecond })
	var future foldlog.Token
	for p := range int32(w.settings.Partitions) {
		future = append(future, foldlog.Position{Aggregate: "account", Partition: p, Offset: 1000})
	}
	for _, path := range []string{"/v1/account/a", "/v1/views/balances/a", "/v1/views/balances"} {
		w.get(t, path, "Foldlog-After", future.String()).is(t, path, http.StatusGatewayTimeout, map[string]any{"code": "not_yet_visible"})
	}
}

func TestCommandsWithoutALog(t *testing.T) {
	w := newWorld(t, nil)
	w = w.behind(t, func(c *edge.Config) { c.Gateway = w.gateway(t, 4*time.Second) })
	if err := w.dev.Close(); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"k1", "k2"} {
		got := w.post(t, "/v1/account/a/deposit", depositOf("1", "x"), id)
		got.is(t, "no broker", http.StatusServiceUnavailable, map[string]any{"code": "unavailable", "command_id": id})
		if got.header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
		}
		if strings.Contains(got.body, w.cluster.Brokers[0]) {
			t.Errorf("the answer has the broker's address: %s", got.body)
		}
	}
}
