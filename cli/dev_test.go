package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
	"github.com/foldlog/foldlog/client"
)

// outcome is what send --json prints.
type outcome struct {
	CommandID string `json:"command_id"`
	Accepted  bool   `json:"accepted"`
	Version   int64  `json:"version"`
	Token     string `json:"token"`
	Repeat    bool   `json:"repeat"`
	Code      string `json:"code"`
	Field     string `json:"field"`
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s in %q", err, text)
	}
	return v
}

// send sends a command that must have the exit code and returns what was printed.
func send(t *testing.T, s *clitest.System, code int, args ...string) outcome {
	t.Helper()
	got := s.Run(append([]string{"send", "--json"}, args...)...)
	if got.Code != code {
		t.Fatalf("send %v: exit %d, want %d\n%s%s", args, got.Code, code, got.Out, got.Err)
	}
	return decode[outcome](t, got.Out)
}

// onFreePorts returns a dev command line that is expected to fail, so that it needs no
// clitest.Start.
func onFreePorts(more ...string) []string {
	return append([]string{"dev", "--data-dir", "data", "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0", "--registry-listen", "127.0.0.1:0"}, more...)
}

// stop drains a system, which must go well.
func stop(t *testing.T, s *clitest.System) {
	t.Helper()
	if code := s.Stop(); code != cli.ExitOK {
		t.Fatalf("exit code %d\n%s", code, s.Log())
	}
}

func TestDevTakesTheExamples(t *testing.T) {
	t.Chdir(t.TempDir())
	app := testApp()
	s := clitest.Start(t, app, "data")
	last := outcome{}
	for i, e := range app.Examples {
		last = send(t, s, cli.ExitOK, e.Aggregate, e.ID, e.Command, e.Body)
		if !last.Accepted || last.Version != int64(i+1) || last.Repeat {
			t.Errorf("example %d: %+v", i+1, last)
		}
	}
	state := s.Run("state", "account", "alice", "--after", last.Token)
	if state.Code != cli.ExitOK || !strings.Contains(state.Out, "version      2\n") || !strings.Contains(state.Out, `"balance": 10000`) {
		t.Errorf("state: %+v", state)
	}
	asJSON := decode[struct {
		Version  int64
		Position string
		State    struct{ Balance int64 }
	}](t, s.Run("state", "account", "alice", "--json").Out)
	if asJSON.Version != 2 || asJSON.State.Balance != 10000 || asJSON.Position == "" {
		t.Errorf("state in JSON: %+v", asJSON)
	}
	people := s.Run("send", "account", "alice", "deposit", `{"amount": 1, "currency": "EUR"}`)
	if !strings.HasPrefix(people.Out, "outcome      accepted\nversion      3\n") {
		t.Errorf("send for people: %q", people.Out)
	}

	t.Run("refusals", func(t *testing.T) {
		refused := send(t, s, cli.ExitFinding, "account", "alice", "withdraw", `{"amount": 99999, "currency": "EUR"}`)
		if refused.Accepted || refused.Code != "insufficient_funds" || refused.CommandID == "" {
			t.Errorf("%+v", refused)
		}
		conflict := send(t, s, cli.ExitFinding, "account", "alice", "deposit", `{"amount": 1, "currency": "EUR"}`, "--expected-version", "0")
		if conflict.Code != "version_conflict" {
			t.Errorf("%+v", conflict)
		}
		wrong := send(t, s, cli.ExitFinding, "account", "alice", "deposit", `{"amount": "1", "currency": "EUR"}`)
		if wrong.Code != "invalid_field" || wrong.Field != "amount" {
			t.Errorf("%+v", wrong)
		}
		plain := s.Run("send", "account", "alice", "withdraw", `{"amount": 99999, "currency": "EUR"}`)
		if plain.Code != cli.ExitFinding || plain.Out != "" || !strings.Contains(plain.Err, "insufficient_funds") {
			t.Errorf("%+v", plain)
		}
		if missing := s.Run("state", "account", "nobody"); missing.Code != cli.ExitFinding || !strings.Contains(missing.Err, "not_found") {
			t.Errorf("%+v", missing)
		}
	})

	t.Run("fields from elsewhere", func(t *testing.T) {
		if err := os.WriteFile("fields.json", []byte(`{"amount": 5, "currency": "EUR"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		send(t, s, cli.ExitOK, "account", "alice", "deposit", "--file", "fields.json")
		piped := clitest.RunInput(t, app, `{"amount": 5, "currency": "EUR"}`, "send", "account", "alice", "deposit", "-f", "-", "--url", s.HTTP)
		if piped.Code != cli.ExitOK {
			t.Errorf("%+v", piped)
		}
		for _, args := range [][]string{{`{"amount": 5`}, {"[]"}, {"null"}, {"{}", "-f", "fields.json"}, {"-f", "nowhere.json"}} {
			if got := s.Run(append([]string{"send", "account", "alice", "deposit"}, args...)...); got.Code != cli.ExitUsage {
				t.Errorf("%v: %+v", args, got)
			}
		}
	})
	stop(t, s)
}

func TestDevKeepsWhatItHas(t *testing.T) {
	t.Chdir(t.TempDir())
	app := testApp()
	s := clitest.Start(t, app, "data")
	first := send(t, s, cli.ExitOK, "account", "alice", "open", app.Examples[0].Body, "--command-id", "open-1")

	second := clitest.Run(t, app, onFreePorts()...)
	if second.Code != cli.ExitInfrastructure || !strings.Contains(second.Err, "data directory data belongs to a running process") {
		t.Errorf("second start on the same directory: %+v", second)
	}
	stop(t, s)

	s = clitest.Start(t, app, "data")
	again := send(t, s, cli.ExitOK, "account", "alice", "open", app.Examples[0].Body, "--command-id", "open-1")
	if !again.Repeat || again.Version != first.Version {
		t.Errorf("repeated after a restart: %+v", again)
	}
	if state := s.Run("state", "account", "alice"); state.Code != cli.ExitOK || !strings.Contains(state.Out, `"holder_name": "Alice"`) {
		t.Errorf("state after a restart: %+v", state)
	}
	stop(t, s)

	other := clitest.Run(t, app, onFreePorts("--partitions", "3")...)
	if other.Code != cli.ExitFinding || !contains(other.Err, "has 4 partitions, the topology asks for 3", "--reset") {
		t.Errorf("another partition count: %+v", other)
	}

	s = clitest.Start(t, app, "data", "--partitions", "3", "--reset")
	if state := s.Run("state", "account", "alice"); state.Code != cli.ExitFinding {
		t.Errorf("after --reset: %+v", state)
	}
	stop(t, s)
}

func TestDevNamesTheFlagOfATakenPort(t *testing.T) {
	t.Chdir(t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, flag := range []string{"--http", "--kafka", "--registry-listen"} {
		got := clitest.Run(t, testApp(), onFreePorts(flag, taken.Addr().String())...)
		if got.Code != cli.ExitInfrastructure || !contains(got.Err, flag, taken.Addr().String()) {
			t.Errorf("%s: %+v", flag, got)
		}
	}
}

// Requests that are under way when the process is asked to stop are answered, and what was answered
// is there after the next start.
func TestDevDrains(t *testing.T) {
	t.Chdir(t.TempDir())
	app := testApp()
	s := clitest.Start(t, app, "data")
	send(t, s, cli.ExitOK, "account", "alice", "open", app.Examples[0].Body)
	var accepted, unknown atomic.Int64
	warm := make(chan struct{}, 1000)
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			c, err := client.New(client.Config{URL: s.HTTP, Patience: -1})
			if err != nil {
				t.Error(err)
				return
			}
			for {
				_, err := c.Send(context.Background(), client.Command{Aggregate: "account", ID: "alice", Type: "deposit",
					Data: map[string]any{"amount": 1, "currency": "EUR"}})
				var problem *client.Problem
				switch {
				case err == nil:
					accepted.Add(1)
				case errors.As(err, &problem):
					t.Errorf("answered %d while draining: %s", problem.Status, problem)
					return
				default: // not connected any more, or cut off
					if !strings.Contains(err.Error(), "connection refused") {
						unknown.Add(1)
					}
					return
				}
				select {
				case warm <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 20 {
		<-warm
	}
	stop(t, s)
	senders.Wait()

	s = clitest.Start(t, app, "data")
	balance := decode[struct{ State struct{ Balance int64 } }](t, s.Run("state", "account", "alice", "--json").Out).State.Balance
	if balance < accepted.Load() || balance > accepted.Load()+unknown.Load() {
		t.Errorf("balance %d after %d accepted deposits of 1 and %d without an answer", balance, accepted.Load(), unknown.Load())
	}
	stop(t, s)
}

func TestWelcome(t *testing.T) {
	text, err := cli.Welcome(testApp(), "127.0.0.1:8080", "127.0.0.1:9092", "http://127.0.0.1:8081", "./.foldlog")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "welcome.txt", text)
	for _, wide := range []string{":8080", "0.0.0.0:8080", "[::]:8080"} {
		if everywhere, _ := cli.Welcome(testApp(), wide, "127.0.0.1:9092", "http://127.0.0.1:8081", "./.foldlog"); everywhere != text {
			t.Errorf("listening on %s, the addresses to try are not those of this machine:\n%s", wide, everywhere)
		}
	}
}
