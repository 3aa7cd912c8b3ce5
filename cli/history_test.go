package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
)

// columns returns the words of a line.
func columns(line string) []string { return strings.Fields(line) }

func TestHistoryCommands(t *testing.T) {
	t.Chdir(t.TempDir())
	app := testApp()
	s := clitest.Start(t, app, "data")
	send(t, s, cli.ExitOK, "account", "alice", "open", app.Examples[0].Body, "--command-id", "c1")
	send(t, s, cli.ExitOK, "account", "alice", "deposit", `{"amount": 9007199254740, "currency": "EUR", "reference": "a   b"}`, "--command-id", "c2")
	last := send(t, s, cli.ExitOK, "account", "alice", "freeze", `{"reason": "r   r"}`, "--command-id", "c3", "--correlation-id", "c2")
	send(t, s, cli.ExitFinding, "account", "alice", "withdraw", `{"amount": 1, "currency": "EUR", "reference": ""}`, "--command-id", "c4", "--correlation-id", "c2")
	if got := s.Run("state", "account", "alice", "--after", last.Token); got.Code != cli.ExitOK {
		t.Fatal(got.Err)
	}
	if got := s.Run("trace", "c4"); got.Code != cli.ExitOK {
		t.Fatal(got.Err)
	}

	t.Run("events", func(t *testing.T) {
		got := s.Run("events", "account", "alice")
		lines := strings.Split(strings.TrimSpace(got.Out), "\n")
		if got.Code != cli.ExitOK || got.Err != "" || len(lines) != 4 || strings.Join(columns(lines[0]), " ") != "VERSION RECORDED EVENT ACTOR COMMAND DATA" {
			t.Fatalf("%+v", got)
		}
		row := columns(lines[2])
		if _, err := time.Parse(time.RFC3339, row[1]); err != nil || row[0] != "2" || row[2] != "Deposited" || row[3] != "anonymous" || row[4] != "c2" ||
			!strings.Contains(lines[2], `"amount":9007199254740,`) {
			t.Errorf("%s", lines[2])
		}
		got = s.Run("events", "account", "alice", "--limit", "1", "--after", "1")
		if strings.Count(got.Out, "\n") != 2 || got.Err != "more events follow: --after 2\n" {
			t.Errorf("a page: %+v", got)
		}
		if got := s.Run("events", "account", "alice", "--after", "3"); got != (clitest.Result{Out: "no events behind version 3\n"}) {
			t.Errorf("%+v", got)
		}
		page := decode[struct {
			Events []struct {
				Version int64
				Data    json.RawMessage
				Log     struct{ Chain string }
			}
			Next int64
		}](t, s.Run("events", "account", "alice", "--limit", "2", "--json").Out)
		if len(page.Events) != 2 || page.Next != 2 || page.Events[1].Version != 2 || !strings.Contains(string(page.Events[1].Data), `"a   b"`) || len(page.Events[1].Log.Chain) != 64 {
			t.Errorf("%+v", page)
		}
		if got := s.Run("events", "account", "nobody"); got.Code != cli.ExitFinding || !strings.Contains(got.Err, "no events") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("state", func(t *testing.T) {
		for version, says := range map[string]string{"1": `"balance": 0`, "2": `"balance": 9007199254740`, "3": `"status": "frozen"`} {
			if got := s.Run("state", "account", "alice", "--version", version); got.Code != cli.ExitOK || !contains(got.Out, says, "version      "+version+"\n") {
				t.Errorf("version %s: %+v", version, got)
			}
		}
		second := decode[struct {
			RecordedAt time.Time `json:"recorded_at"`
		}](t, s.Run("state", "account", "alice", "--version", "1", "--json").Out).RecordedAt
		if got := s.Run("state", "account", "alice", "--at", second.Add(-time.Microsecond).Format(time.RFC3339Nano)); got.Code != cli.ExitFinding || !strings.Contains(got.Err, "had no events at") {
			t.Errorf("before: %+v", got)
		}
		if got := s.Run("state", "account", "alice", "--at", "0001-01-01T00:00:00Z"); got.Code != cli.ExitFinding {
			t.Errorf("long before: %+v", got)
		}
		if got := s.Run("state", "account", "alice", "--at", time.Now().Add(time.Hour).Format(time.RFC3339)); got.Code != cli.ExitOK || !strings.Contains(got.Out, "frozen") {
			t.Errorf("in another zone: %+v", got)
		}
		if got := s.Run("state", "account", "alice", "--version", "4"); got.Code != cli.ExitFinding || !strings.Contains(got.Err, "its newest is 3") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("diff", func(t *testing.T) {
		got := s.Run("diff", "account", "alice", "--from", "1", "--to", "3")
		if got.Code != cli.ExitOK || got.Err != "" || !contains(got.Out, "from     version 1, recorded at ", "to       version 3, ", "\nFIELD    FROM    TO\n",
			"\nbalance  0       9007199254740\n", "\nstatus   \"open\"  \"frozen\"\n\nVERSION", "\n2 ", "\n3 ") || strings.Contains(got.Out, "holder_id ") {
			t.Errorf("%+v", got)
		}
		type diff struct {
			From, To struct {
				Version int64
				State   json.RawMessage
			}
			Changes []struct {
				Field    string
				From, To any
			}
			Events []struct{ Version int64 }
		}
		all := decode[diff](t, s.Run("diff", "account", "alice", "--from", "0", "--json").Out)
		if all.From.Version != 0 || all.From.State != nil || all.To.Version != 3 || len(all.Events) != 3 || len(all.Changes) < 5 || all.Changes[0].From != nil {
			t.Errorf("%+v", all)
		}
		timed := decode[diff](t, s.Run("diff", "account", "alice", "--from", "2020-01-01T00:00:00Z", "--to", "1", "--json").Out)
		if timed.From.Version != 0 || timed.To.Version != 1 || len(timed.Events) != 1 {
			t.Errorf("%+v", timed)
		}
		if got := s.Run("diff", "account", "alice", "--from", "3"); got.Code != cli.ExitOK || !strings.HasSuffix(got.Out, "\n\nno field differs\n") {
			t.Errorf("%+v", got)
		}
		if got := s.Run("diff", "account", "alice", "--from", "3", "--to", "1"); got.Code != cli.ExitUsage || !strings.Contains(got.Err, "swap them") {
			t.Errorf("%+v", got)
		}
		for _, args := range [][]string{{"alice", "--from", "9"}, {"alice", "--from", "1", "--to", "9"}, {"nobody", "--from", "0"}} {
			if got := s.Run(append([]string{"diff", "account"}, args...)...); got.Code != cli.ExitFinding || !strings.Contains(got.Err, "not_found") {
				t.Errorf("%v: %+v", args, got)
			}
		}
	})
	t.Run("trace", func(t *testing.T) {
		got := s.Run("trace", "c2")
		var tree []string
		for line := range strings.Lines(got.Out) {
			before, _, _ := strings.Cut(line, "  2")
			tree = append(tree, strings.TrimSpace(strings.Split(before, "    ")[0]))
		}
		want := []string{"WHAT", "deposit account alice", "└─ Deposited 2", "freeze account alice", "└─ AccountFrozen 3", "withdraw account alice: account_frozen"}
		if got.Code != cli.ExitOK || got.Err != "" || strings.Join(tree, "|") != strings.Join(want, "|") {
			t.Errorf("%q\n%+v", tree, got)
		}
		if !contains(got.Out, " anonymous ", " c3 ", `"reason":"r r"`) {
			t.Errorf("%s", got.Out)
		}
		asJSON := decode[struct {
			CorrelationIDs []string `json:"correlation_ids"`
			Commands       []struct {
				CommandID string `json:"command_id"`
				Code      string
				Events    []struct {
					EventType string `json:"event_type"`
					Commands  []any
				}
			}
		}](t, s.Run("trace", "c3", "--json").Out)
		if len(asJSON.Commands) != 3 || asJSON.Commands[2].Code != "account_frozen" || asJSON.Commands[0].Events[0].EventType != "Deposited" || asJSON.Commands[0].Events[0].Commands == nil {
			t.Errorf("%+v", asJSON)
		}
		if got := s.Run("trace", "nothing"); got.Code != cli.ExitFinding || !strings.Contains(got.Err, "not_found") {
			t.Errorf("%+v", got)
		}
	})
	stop(t, s)
}
