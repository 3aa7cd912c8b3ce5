package load

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/proof/history"
	"github.com/foldlog/foldlog/topology"
)

// The load must agree with the product about partitions, or probes would measure others and "wrong"
// partitions would be right.
func TestPartitionsAreTheProducts(t *testing.T) {
	for n := range 500 {
		key := fmt.Sprintf("acc-%d", n*n)
		if got, want := PartitionOf(key, 4), topology.PartitionOf([]byte(key), 4); got != int(want) {
			t.Fatalf("%s: partition %d, the product has %d", key, got, want)
		}
	}
}

func TestEveryPartitionHasAProbe(t *testing.T) {
	p := NewProbes(&Caller{}, "x-", 7, time.Second)
	for partition, id := range p.ids {
		if PartitionOf(id, 7) != partition {
			t.Errorf("the probe %q of partition %d belongs to %d", id, partition, PartitionOf(id, 7))
		}
	}
}

func TestClosedAccountsAreReplacedOnce(t *testing.T) {
	a := NewAccounts("", 3)
	if fresh := a.replace("acc-2"); fresh != "acc-4" {
		t.Errorf("replaced by %q", fresh)
	}
	if fresh := a.replace("acc-2"); fresh != "" {
		t.Errorf("replaced twice, by %q", fresh)
	}
}

// answers is a server that gives one answer after the other.
func answers(t *testing.T, all ...func(http.ResponseWriter, *http.Request)) (target Target, keys *[]string) {
	t.Helper()
	var next atomic.Int64
	keys = &[]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*keys = append(*keys, r.Header.Get("Idempotency-Key"))
		all[next.Add(1)-1](w, r)
	}))
	t.Cleanup(server.Close)
	target, err := NewTarget("edge-1", server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return target, keys
}

func problem(status int, code string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "code": code})
	}
}

func broken(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func accepted(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(map[string]any{"command_id": r.Header.Get("Idempotency-Key"), "accepted": true, "first_version": 1, "version": 1})
}

// recorded runs f with a recorder and returns its lines.
func recorded(t *testing.T, f func(*Recorder)) []history.Op {
	t.Helper()
	dir := t.TempDir()
	r, err := NewRecorder(dir)
	if err != nil {
		t.Fatal(err)
	}
	f(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	var ops []history.Op
	if err := history.Read(dir, "clients.jsonl", func(op history.Op) error { ops = append(ops, op); return nil }); err != nil {
		t.Fatal(err)
	}
	return ops
}

func TestEachTryIsAnOperationUnderTheSameID(t *testing.T) {
	target, keys := answers(t, problem(http.StatusServiceUnavailable, "unavailable"), broken, problem(http.StatusGatewayTimeout, "outcome_unknown"), accepted)
	var counts Counts
	ops := recorded(t, func(r *Recorder) {
		c := &Caller{Recorder: r, Targets: []Target{target}}
		a := c.command(t.Context(), 7, 0, client.Command{Aggregate: "account", ID: "a", Type: "deposit", CommandID: "c-1", Data: map[string]any{"amount": 1}})
		if a.kind != history.OK || !a.outcome.Accepted {
			t.Errorf("the call came to %+v", a)
		}
		counts = r.Counts()
		if ids := r.IDs()["account"]; len(ids) != 1 || ids[0] != "a" {
			t.Errorf("ids %v", ids)
		}
	})
	want := []string{history.Invoke, history.Fail, history.Invoke, history.Unknown, history.Invoke, history.Unknown, history.Invoke, history.OK}
	if len(ops) != len(want) {
		t.Fatalf("%d lines, want %d", len(ops), len(want))
	}
	for i, op := range ops {
		if op.Kind != want[i] || op.Client != 7 || op.Number != ops[i/2*2].Number {
			t.Errorf("line %d is %+v, want %s", i, op, want[i])
		}
		if op.Kind == history.Invoke && op.CommandID != "c-1" {
			t.Errorf("a try under another id: %q", op.CommandID)
		}
	}
	for _, key := range *keys {
		if key != "c-1" {
			t.Errorf("sent under %q", key)
		}
	}
	if counts.Accepted != 1 || counts.Unknown != 0 || counts.Tries != 4 {
		t.Errorf("counted %+v", counts)
	}
}

func TestWhatAnErrorLeavesPossible(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		kind   string
	}{
		"rejected":     {problem(http.StatusUnprocessableEntity, "insufficient_funds"), history.OK},
		"conflict":     {problem(http.StatusPreconditionFailed, "version_conflict"), history.OK},
		"malformed":    {problem(http.StatusBadRequest, "invalid_field"), history.Fail},
		"unavailable":  {problem(http.StatusServiceUnavailable, "unavailable"), history.Fail},
		"defect":       {problem(http.StatusInternalServerError, "internal_error"), history.Unknown},
		"foreign 503":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, history.Unknown},
		"out of time":  {problem(http.StatusGatewayTimeout, "outcome_unknown"), history.Unknown},
		"broken":       {broken, history.Unknown},
		"no Foldlog":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }, history.Unknown},
		"all accepted": {accepted, history.OK},
	} {
		t.Run(name, func(t *testing.T) {
			target, _ := answers(t, test.answer)
			recorded(t, func(r *Recorder) {
				c := &Caller{Recorder: r, Targets: []Target{target}}
				if a := c.try(t.Context(), 1, target, client.Command{Aggregate: "account", ID: "a", Type: "close", CommandID: "c"}, []byte("{}")); a.kind != test.kind {
					t.Errorf("%+v, want %s", a, test.kind)
				}
			})
		})
	}
}

func TestARefusedConnectionDidNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	target, err := NewTarget("gone", url)
	if err != nil {
		t.Fatal(err)
	}
	_, err = target.Client.State(t.Context(), "account", "a", nil)
	if a := judge(err); a.kind != history.Fail {
		t.Errorf("%+v for %v", a, err)
	}
}

func TestAReadOfNothingSaysWhatItHasSeen(t *testing.T) {
	target, _ := answers(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Foldlog-Position", "YWNjb3VudC8wLzY")
		problem(http.StatusNotFound, "not_found")(w, r)
	})
	ops := recorded(t, func(r *Recorder) {
		(&Caller{Recorder: r, Targets: []Target{target}}).row(t.Context(), 1, target, "balances", "a", nil)
	})
	if end := ops[1]; end.Kind != history.OK || end.Status != http.StatusNotFound || end.Position != "YWNjb3VudC8wLzY" {
		t.Errorf("recorded %+v", end)
	}
}

// Choices follow from the seed alone.
func TestSameSeedSameChoices(t *testing.T) {
	list := func() (all []string) {
		w := &worker{accounts: NewAccounts("", 10), random: rand.New(rand.NewPCG(5, 6)), number: 1}
		for range 200 {
			command := w.cash("deposit", 100)
			data, _ := json.Marshal(command.Data)
			all = append(all, command.ID+string(data))
		}
		return all
	}
	first, again := list(), list()
	for i := range first {
		if first[i] != again[i] {
			t.Fatalf("choice %d: %s, then %s", i, first[i], again[i])
		}
	}
}
