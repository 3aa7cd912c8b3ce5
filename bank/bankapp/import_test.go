package bankapp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/foldlog/foldlog/bank/bankapp"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
)

const header = `"trans_id";"account_id";"date";"type";"operation";"amount";"balance";"k_symbol";"bank";"account"` + "\n"

// importFile writes a transaction file and returns its path.
func importFile(t *testing.T, rows ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trans.asc")
	if err := os.WriteFile(path, []byte(header+strings.Join(rows, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// synthetic returns rows of some accounts, on several days, out of order, that take accounts below
// zero and back.
func synthetic(accounts, perAccount int) []string {
	var rows []string
	for n := range accounts * perAccount {
		account, day := n%accounts+1, 28-n%28
		kind, amount := "PRIJEM", fmt.Sprintf("%d.%02d", n+1, n%100)
		if n%3 == 1 {
			kind = []string{"VYDAJ", "VYBER"}[n%2]
		}
		rows = append(rows, fmt.Sprintf(`%d;%d;9302%02d;"%s";"OP";%s;0;" ";;`, n+1, account, day, kind, amount))
	}
	return rows
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func TestImport(t *testing.T) {
	system := clitest.Start(t, bankapp.App(), t.TempDir())
	file := importFile(t, synthetic(17, 9)...)

	first := system.Run("bank", "import", file)
	if want := "accounts 17/17 reconciled, 170 commands, 170 new events\n"; first.Code != cli.ExitOK || first.Out != want {
		t.Fatalf("exit %d, %q, want %q\n%s", first.Code, first.Out, want, first.Err)
	}
	second := system.Run("bank", "import", "--workers", "3", file)
	if want := "accounts 17/17 reconciled, 170 commands, 0 new events\n"; second.Code != cli.ExitOK || second.Out != want {
		t.Fatalf("second run: exit %d, %q, want %q\n%s", second.Code, second.Out, want, second.Err)
	}

	t.Run("straight to the log", func(t *testing.T) {
		more := importFile(t, append(synthetic(17, 9), `9001;99;930301;"PRIJEM";"";0.01;0;"";;`)...)
		kafka := system.Run("bank", "import", "--brokers", system.Brokers[0], "--registry", system.Registry, more)
		if want := "accounts 18/18 reconciled, 172 commands, 2 new events\n"; kafka.Code != cli.ExitOK || kafka.Out != want {
			t.Errorf("exit %d, %q, want %q\n%s", kafka.Code, kafka.Out, want, kafka.Err)
		}
	})

	t.Run("a difference is a finding", func(t *testing.T) {
		deposit := system.Run("send", "account", "berka-3", "deposit", `{"amount": 250, "currency": "CZK", "reference": ""}`)
		if deposit.Code != cli.ExitOK {
			t.Fatal(deposit.Err)
		}
		got := system.Run("bank", "import", file)
		if got.Code != cli.ExitFinding || lastLine(got.Out) != "accounts 16/17 reconciled, 170 commands, 0 new events" {
			t.Errorf("exit %d, %q", got.Code, got.Out)
		}
		if !strings.Contains(got.Err, "berka-3: the rows add up to ") || !strings.Contains(got.Err, "or the account has other movements") {
			t.Errorf("the difference is not explained: %s", got.Err)
		}
		asJSON := system.Run("bank", "import", "--json", file)
		var summary struct {
			Accounts, Reconciled, Commands int
			NewEvents                      int `json:"new_events"`
			Mismatches                     []struct {
				Account       string
				Rows, Balance int64
			}
		}
		if err := json.Unmarshal([]byte(asJSON.Out), &summary); err != nil {
			t.Fatalf("%s in %s", err, asJSON.Out)
		}
		if asJSON.Code != cli.ExitFinding || summary.Accounts != 17 || summary.Reconciled != 16 || summary.Commands != 170 || summary.NewEvents != 0 ||
			len(summary.Mismatches) != 1 || summary.Mismatches[0].Account != "berka-3" || summary.Mismatches[0].Balance-summary.Mismatches[0].Rows != 250 {
			t.Errorf("exit %d, %+v", asJSON.Code, summary)
		}
	})

	t.Run("a refused row is a finding", func(t *testing.T) {
		if frozen := system.Run("send", "account", "berka-5", "freeze", `{"reason": "test"}`); frozen.Code != cli.ExitOK {
			t.Fatal(frozen.Err)
		}
		rows := append(synthetic(17, 9), `8001;5;930301;"PRIJEM";"";1.00;0;"";;`, `8002;6;930301;"PRIJEM";"";1.00;0;"";;`)
		got := system.Run("bank", "import", importFile(t, rows...))
		if got.Code != cli.ExitFinding || lastLine(got.Out) != "accounts 15/17 reconciled, 172 commands, 1 new events" {
			t.Errorf("exit %d, %q\n%s", got.Code, got.Out, got.Err)
		}
		if !strings.Contains(got.Err, "trans.asc:155: berka-5: account_frozen") {
			t.Errorf("the refused row is not named: %s", got.Err)
		}
	})
}

// A run that is cut off in the middle and repeated after a restart ends with the same figures.
func TestImportGoesOnAfterARestart(t *testing.T) {
	dir, file := t.TempDir(), importFile(t, synthetic(40, 20)...)
	system := clitest.Start(t, bankapp.App(), dir)
	half := importFile(t, synthetic(40, 20)[:333]...)
	if got := system.Run("bank", "import", half); got.Code != cli.ExitOK {
		t.Fatalf("half of it: %s", got.Err)
	}
	if code := system.Stop(); code != cli.ExitOK {
		t.Fatalf("dev stopped with exit code %d\n%s", code, system.Log())
	}
	system = clitest.Start(t, bankapp.App(), dir)
	got := system.Run("bank", "import", file)
	if want := fmt.Sprintf("accounts 40/40 reconciled, 840 commands, %d new events\n", 800-333); got.Code != cli.ExitOK || got.Out != want {
		t.Errorf("exit %d, %q, want %q\n%s", got.Code, got.Out, want, got.Err)
	}
}

// An interrupted import says how to go on.
func TestImportInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is the client's going away noticed
		if asked.Add(1) == 4 {
			cancel() // all workers wait for their first outcome
		}
		<-r.Context().Done()
	}))
	defer server.Close()
	var out, stderr bytes.Buffer
	code := cli.Run(ctx, bankapp.App(), []string{"bank", "import", "--url", server.URL, "--workers", "4", importFile(t, synthetic(5, 5)...)},
		strings.NewReader(""), &out, &stderr)
	want := "foldlog: interrupted after 0 of 30 commands; run the same command again to go on: what is done is recognised and not done twice\n"
	if code != cli.ExitInfrastructure || out.String() != "" || stderr.String() != want {
		t.Errorf("exit %d, %q, %q", code, out.String(), stderr.String())
	}
}

func TestImportSendsNothingFromFilesWithMistakes(t *testing.T) {
	good := importFile(t, synthetic(2, 2)...)
	bad := importFile(t, `1;2;930101;"PRIJEM";"";1.00;0;"";;`, `x;2;930101;"PRIJEM";"";1.00;0;"";;`, `3;2;930101;"PRIJEM";"";1.005;0;"";;`)
	// Nobody listens there: a command that was sent would be an error of its own.
	got := clitest.Run(t, bankapp.App(), "bank", "import", "--url", "http://127.0.0.1:1", good, bad)
	if got.Code != cli.ExitFinding || got.Out != "" {
		t.Errorf("exit %d, %q", got.Code, got.Out)
	}
	for _, want := range []string{
		"nothing was sent:", `trans.asc:3: trans_id "x"`, `trans.asc:4: amount "1.005"`, "trans.asc:2: trans_id 1 was already used at ",
	} {
		if !strings.Contains(got.Err, want) {
			t.Errorf("%q is not in:\n%s", want, got.Err)
		}
	}
	if got := clitest.Run(t, bankapp.App(), "bank", "import"); got.Code != cli.ExitUsage {
		t.Errorf("without a file: %+v", got)
	}
}
