package bankapp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/client"
)

// manySteps returns a plan of accounts with rows each.
func manySteps(t *testing.T, accounts, rows, workers int) plan {
	t.Helper()
	var all []movement
	for r := range rows {
		for a := range accounts {
			all = append(all, movement{transID: int64(r*accounts + a + 1), accountID: int64(a + 1), date: "1993-01-01", deposit: true, amount: 1})
		}
	}
	p, err := planImport(all, workers)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newProgress(step func()) *progress {
	return &progress{step: step, tokens: map[string]foldlog.Token{}}
}

func TestSendAllKeepsTheOrderOfEachAccount(t *testing.T) {
	p := manySteps(t, 20, 30, 7)
	var mu sync.Mutex
	sent := map[string][]string{}
	result := newProgress(func() {})
	err := sendAll(t.Context(), p.shards, func(_ context.Context, c client.Command) (answer, error) {
		mu.Lock()
		defer mu.Unlock()
		sent[c.ID] = append(sent[c.ID], c.CommandID)
		return answer{newEvents: 1, token: foldlog.Token{{Aggregate: "account", Offset: int64(len(sent[c.ID]))}}}, nil
	}, result)
	if err != nil {
		t.Fatal(err)
	}
	for a := range 20 {
		id := fmt.Sprintf("berka-%d", a+1)
		want := []string{fmt.Sprintf("berka-open-%d", a+1)}
		for r := range 30 {
			want = append(want, fmt.Sprintf("berka-%d", r*20+a+1))
		}
		if got := strings.Join(sent[id], " "); got != strings.Join(want, " ") {
			t.Errorf("%s: sent %s", id, got)
		}
		if token := result.tokens[id]; token[0].Offset != 31 {
			t.Errorf("%s: the token is not that of the last command: %v", id, token)
		}
	}
	if result.done != p.steps || result.newEvents != p.steps {
		t.Errorf("%d done, %d events; want %d", result.done, result.newEvents, p.steps)
	}
}

func TestSendAllGoesOnBehindARefusal(t *testing.T) {
	p := manySteps(t, 2, 3, 2)
	result := newProgress(func() {})
	err := sendAll(t.Context(), p.shards, func(_ context.Context, c client.Command) (answer, error) {
		if c.CommandID == "berka-1" {
			return answer{}, fmt.Errorf("wrapped: %w", foldlog.Reject("account_frozen", "it is frozen"))
		}
		return answer{newEvents: 1}, nil
	}, result)
	if err != nil {
		t.Fatal(err)
	}
	if result.done != 8 || result.newEvents != 7 || len(result.refused) != 1 {
		t.Errorf("%d done, %d events, refused %v", result.done, result.newEvents, result.refused)
	}
	if r := result.refused[0]; r.Account != "berka-1" || r.Reason != "account_frozen: it is frozen" {
		t.Errorf("%+v", r)
	}
}

func TestSendAllStopsAtAFailure(t *testing.T) {
	p := manySteps(t, 4, 50, 4)
	away := errors.New("the log is away")
	result := newProgress(func() {})
	err := sendAll(t.Context(), p.shards, func(ctx context.Context, c client.Command) (answer, error) {
		if c.CommandID == "berka-17" {
			return answer{}, away
		}
		if c.ID == "berka-2" { // waits for an answer when the failure comes
			<-ctx.Done()
			return answer{}, ctx.Err()
		}
		return answer{}, nil
	}, result)
	if !errors.Is(err, away) {
		t.Errorf("error %v", err)
	}
	if result.done >= p.steps {
		t.Errorf("all %d steps were done", result.done)
	}
}

func TestSendAllStopsBetweenTwoCommands(t *testing.T) {
	p := manySteps(t, 3, 10, 1)
	ctx, cancel := context.WithCancel(t.Context())
	finished := 0
	result := newProgress(func() {
		if finished++; finished == 5 {
			cancel()
		}
	})
	started := 0
	err := sendAll(ctx, p.shards, func(context.Context, client.Command) (answer, error) { started++; return answer{}, nil }, result)
	if !errors.Is(err, context.Canceled) || started != 5 || result.done != 5 {
		t.Errorf("%d started, %d done, %v", started, result.done, err)
	}
}

func TestIsRefusal(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   bool
	}{
		{422, "account_frozen", true}, {412, "version_conflict", true}, {400, "invalid_field", true},
		{400, "", false}, {404, "not_found", false}, {500, "internal_error", false},
	} {
		if got := isRefusal(&client.Problem{Status: c.status, Code: c.code}); got != c.want {
			t.Errorf("%d %s: %v", c.status, c.code, got)
		}
	}
}

func TestCrowns(t *testing.T) {
	for haleru, want := range map[int64]string{0: "0.00 CZK", 5: "0.05 CZK", -123456: "-1234.56 CZK", -1 << 63: "-92233720368547758.08 CZK"} {
		if got := crowns(haleru); got != want {
			t.Errorf("%d: %s, want %s", haleru, got, want)
		}
	}
}
