package cli_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/devcluster"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

// docs/read-models.md shows what follows, up to the line of dashes.

// BalancesRowV2 is an account with its balance, and what was ever paid in.
type BalancesRowV2 struct {
	AccountID      string         `json:"account_id"`
	HolderID       string         `json:"holder_id"`
	HolderName     string         `json:"holder_name"`
	Currency       string         `json:"currency"`
	Balance        int64          `json:"balance"`
	OverdraftLimit int64          `json:"overdraft_limit"`
	Status         account.Status `json:"status"`
	Version        int64          `json:"version"`
	DepositedTotal int64          `json:"deposited_total"`
}

// BalancesV2 projects accounts to their balances and deposits.
func BalancesV2() foldlog.Projection[BalancesRowV2, account.Event] {
	before := bank.Balances()
	return foldlog.Projection[BalancesRowV2, account.Event]{
		Project: func(row BalancesRowV2, event foldlog.Event[account.Event]) BalancesRowV2 {
			b := before.Project(bank.BalancesRow{
				AccountID: row.AccountID, HolderID: row.HolderID, HolderName: row.HolderName, Currency: row.Currency, Balance: row.Balance,
				OverdraftLimit: row.OverdraftLimit, Status: row.Status, Version: row.Version,
			}, event)
			total := row.DepositedTotal
			if deposited, ok := event.Data.(account.Deposited); ok {
				total += deposited.Amount
			}
			return BalancesRowV2{
				AccountID: b.AccountID, HolderID: b.HolderID, HolderName: b.HolderName, Currency: b.Currency, Balance: b.Balance,
				OverdraftLimit: b.OverdraftLimit, Status: b.Status, Version: b.Version, DepositedTotal: total,
			}
		},
	}
}

// ------

// balancesV2Schema is in docs/read-models.md, too.
const balancesV2Schema = `{
  "type": "record",
  "name": "BalancesRow",
  "namespace": "foldlog.bank",
  "doc": "One account with its balance and what was ever paid in. Key of the record: the account's id.",
  "fields": [
    {"name": "account_id", "type": "string", "doc": "Id of the account."},
    {"name": "holder_id", "type": "string", "doc": "Id of who holds the account; empty for an account that was never opened."},
    {"name": "holder_name", "type": "string", "doc": "Name of who holds the account; empty where holder_id is."},
    {"name": "currency", "type": "string", "doc": "ISO 4217 code; empty for an account that was never opened."},
    {"name": "balance", "type": "long", "doc": "Minor units; negative where the holder owes money."},
    {"name": "overdraft_limit", "type": "long", "doc": "How far the balance may fall below zero, in minor units; -1 is without limit."},
    {"name": "status", "type": "string", "doc": "none (never opened, only declined), open, frozen or closed."},
    {"name": "version", "type": "long", "doc": "Version of the account's last event in the row."},
    {"name": "deposited_total", "type": "long", "doc": "All deposits ever, in minor units."}
  ]
}
`

// holderCountV2 is a re-keyed projection at version 2, with other rows: its key has another form, too.
type holderCountV2 struct {
	Holder string `json:"holder"`
	Count  int64  `json:"count"`
}

const holderCountV2Schema = `{"type": "record", "name": "HolderCount", "namespace": "foldlog.bank", "doc": "Accounts of a holder.", "fields": [
  {"name": "holder", "type": "string", "doc": "Id of the holder."}, {"name": "count", "type": "long", "doc": "How many were opened."}]}`

func holderCounts() foldlog.Projection[holderCountV2, account.Event] {
	return foldlog.Projection[holderCountV2, account.Event]{
		Key: func(event foldlog.Event[account.Event]) string {
			if opened, ok := event.Data.(account.Opened); ok {
				return opened.HolderID
			}
			return ""
		},
		Project: func(row holderCountV2, event foldlog.Event[account.Event]) holderCountV2 {
			return holderCountV2{event.Data.(account.Opened).HolderID, row.Count + 1}
		},
	}
}

// secondVersions is the bank's next release: both projections at version 2, beside the ones before or alone.
func secondVersions(t *testing.T, beside bool) cli.App {
	app := testApp()
	next := map[string]*topology.ProjectionSpec{
		"balances":           topology.Projection("balances", "account", BalancesV2()).AtVersion(2),
		"accounts-by-holder": topology.Projection("accounts-by-holder", "account", holderCounts()).AtVersion(2),
	}
	files := fstest.MapFS{
		"balances.v2-table/v1.avsc":           {Data: []byte(balancesV2Schema)},
		"accounts-by-holder.v2-table/v1.avsc": {Data: []byte(holderCountV2Schema)},
	}
	var parts []topology.Part
	for _, a := range app.Topology.Aggregates {
		parts = append(parts, a)
	}
	for _, p := range app.Topology.Policies {
		parts = append(parts, p)
	}
	for _, p := range app.Topology.Projections {
		if n := next[p.Name]; n != nil && beside {
			p = n.Beside(p)
		} else if n != nil {
			p = n
		}
		parts = append(parts, p)
	}
	err := fs.WalkDir(bankschemas.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := bankschemas.Files.ReadFile(name)
		files[name] = &fstest.MapFile{Data: text}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	app.Topology, app.Schemas = topology.New("bank", parts...), files
	return app
}

// traffic writes to accounts and reads each write from the view until it is stopped.
type traffic struct {
	t        *testing.T
	client   *client.Client
	stopped  atomic.Bool
	wait     sync.WaitGroup
	mu       sync.Mutex
	paid     map[string]int64 // what was paid in, by account
	versions map[int]int      // reads by the version that answered
	sent     int
}

const (
	writers  = 2
	accounts = 3 * writers
	// oldDeposits is how many there are to each account before anything is rebuilt.
	oldDeposits = 40
)

func startTraffic(t *testing.T, s *clitest.System, paid map[string]int64) *traffic {
	c, err := client.New(client.Config{URL: s.HTTP, Patience: -1})
	if err != nil {
		t.Fatal(err)
	}
	w := &traffic{t: t, client: c, paid: paid, versions: map[int]int{}}
	for i := range writers {
		w.wait.Go(func() {
			pace := time.NewTicker(15 * time.Millisecond) // the machine shall not be busy with this alone
			defer pace.Stop()
			for n := 0; !w.stopped.Load(); n++ {
				<-pace.C
				w.once(fmt.Sprintf("acc-%d", i+writers*(n%3)), int64(n%7+1))
			}
		})
	}
	t.Cleanup(w.stop)
	return w
}

// once pays in and reads the row as of then: no account is written to by two.
func (w *traffic) once(id string, amount int64) {
	outcome, err := w.client.Send(context.Background(), client.Command{Aggregate: "account", ID: id, Type: "deposit",
		Data: map[string]any{"amount": amount, "currency": "EUR", "reference": "traffic"}})
	if err != nil {
		w.t.Errorf("deposit: %v", err)
		w.stopped.Store(true)
		return
	}
	w.mu.Lock()
	w.sent++
	w.paid[id] += amount
	paid := w.paid[id]
	w.mu.Unlock()
	answer, err := w.client.ViewRow(context.Background(), "balances", id, outcome.Token)
	if err != nil {
		w.t.Errorf("read what was written: %v", err)
		w.stopped.Store(true)
		return
	}
	row := decode[BalancesRowV2](w.t, string(answer.Data))
	if row.Version != outcome.Version || row.Balance != paid || answer.Version == 2 && row.DepositedTotal != paid || answer.Version < 1 {
		w.t.Errorf("account %s after version %d, %d paid in: version %d of the projection answers %s", id, outcome.Version, paid, answer.Version, answer.Data)
	}
	w.mu.Lock()
	w.versions[answer.Version]++
	w.mu.Unlock()
}

func (w *traffic) stop() {
	w.stopped.Store(true)
	w.wait.Wait()
}

func (w *traffic) reads(version int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.versions[version]
}

// answeredBy waits until writers have read from a version.
func (w *traffic) answeredBy(version int) {
	w.t.Helper()
	before := w.reads(version)
	eventually(w.t, fmt.Sprintf("version %d answers", version), func() bool { return w.reads(version) > before || w.t.Failed() })
}

// ledger returns an admin client of a system.
func ledger(t *testing.T, s *clitest.System) *kadm.Client {
	kafka, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	return kadm.NewClient(kafka)
}

type rebuilt struct {
	State struct {
		Serving, Other int
		Stage          string
	}
	Filled, Total int
	Switched      bool
	Comparison    struct {
		Rows, Same, Differing int
		OnlyNow               int      `json:"only_now"`
		OnlyBefore            int      `json:"only_before"`
		New                   []string `json:"new_columns"`
		Gone                  []string `json:"gone_columns"`
	}
}

func TestRebuildUnderTraffic(t *testing.T) {
	t.Chdir(t.TempDir())
	s := clitest.Start(t, testApp(), "data")
	paid := map[string]int64{}
	first := patient(s)
	deposit := func(id string) {
		_, err := first.Send(context.Background(), client.Command{Aggregate: "account", ID: id, Type: "deposit",
			Data: map[string]any{"amount": 10, "currency": "EUR", "reference": "old"}})
		if err != nil {
			t.Error(err)
		}
	}
	var old sync.WaitGroup
	for i := range accounts {
		id := fmt.Sprintf("acc-%d", i)
		paid[id] = 10 * oldDeposits
		old.Go(func() {
			_, err := first.Send(context.Background(), client.Command{Aggregate: "account", ID: id, Type: "open",
				Data: map[string]any{"holder_id": fmt.Sprintf("h-%d", i%5), "holder_name": "H", "currency": "EUR", "overdraft_limit": 0}})
			if err != nil {
				t.Error(err)
			}
			for range oldDeposits {
				deposit(id)
			}
		})
	}
	old.Wait()
	send(t, s, cli.ExitOK, "transfer", "t-1", "request", `{"from": "acc-0", "to": "nobody", "amount": 10, "currency": "EUR", "reference": "it comes back"}`)
	eventually(t, "the transfer to end", func() bool { return strings.Contains(s.Run("state", "transfer", "t-1").Out, "returned") })
	stop(t, s)

	app := secondVersions(t, true)
	s = clitest.Start(t, app, "data")
	admin := ledger(t, s)
	on := []string{"--brokers", strings.Join(s.Brokers, ","), "--registry", s.Registry, "--partitions", "4", "--replication-factor", "1"}
	kafka := func(args ...string) clitest.Result { return clitest.Run(t, app, append(args, on...)...) }
	done := func(args ...string) rebuilt {
		t.Helper()
		got := kafka(append(args, "--json")...)
		if got.Code != cli.ExitOK {
			t.Fatalf("%v: exit %d\n%s%s", args, got.Code, got.Out, got.Err)
		}
		return decode[rebuilt](t, got.Out)
	}
	refused := func(app cli.App, want string, args ...string) {
		t.Helper()
		if got := clitest.Run(t, app, append(args, on...)...); got.Code != cli.ExitFinding || !strings.Contains(got.Err, want) {
			t.Errorf("%v: %+v, want %q", args, got, want)
		}
	}
	transfers, commands := endsOf(t, admin, "transfer."), endsOf(t, admin, "account.commands")
	w := startTraffic(t, s, paid)
	w.answeredBy(1)
	refused(app, "no version of balances beside", "rebuild", "balances", "--drop")
	refused(app, "no version of balances beside", "rebuild", "balances", "--back")

	// Interrupted as soon as it has begun, and run again.
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan clitest.Result, 1)
	go func() {
		var out, log strings.Builder
		code := cli.Run(ctx, app, append([]string{"rebuild", "balances", "--rate", "10"}, on...), strings.NewReader(""), &out, &log)
		ended <- clitest.Result{Code: code, Out: out.String(), Err: log.String()}
	}()
	handled := func() (n int64) {
		offsets, _ := admin.FetchOffsets(t.Context(), "balances.v2")
		offsets.Each(func(o kadm.OffsetResponse) { n += o.At })
		return n
	}
	eventually(t, "a part to be filled, or an end", func() bool { return handled() > 0 || len(ended) > 0 })
	interrupt()
	if got := <-ended; got.Code != cli.ExitInfrastructure || !strings.Contains(got.Err, "interrupted") {
		t.Errorf("the interrupted rebuild: %+v", got)
	}
	if filled := handled(); filled >= accounts*oldDeposits {
		t.Errorf("it was interrupted after %d events, and there was nothing left to go on with", filled)
	}
	if status := kafka("rebuild", "balances", "--status"); !contains(status.Out, "1        serving", "2        filling") {
		t.Errorf("status: %+v", status)
	}
	filled := done("rebuild", "balances", "--rate", "0", "--no-switch")
	if c := filled.Comparison; filled.Switched || filled.State.Serving != 1 || filled.State.Stage != "kept" || filled.Total != 0 || c.Rows != accounts+1 || c.Same != c.Rows ||
		!slices.Equal(c.New, []string{"deposited_total"}) || len(c.Gone) != 0 {
		t.Errorf("filled: %+v", filled)
	}
	w.answeredBy(1)
	if got := done("rebuild", "balances"); !got.Switched || got.State.Serving != 2 || got.Filled != 0 || got.Comparison.Same != accounts+1 {
		t.Errorf("switched: %+v", got)
	}
	w.answeredBy(2)
	if got := kafka("rebuild", "balances", "--back"); got.Code != cli.ExitOK || got.Out != "balances version 1 serves, version 2 is kept\n" {
		t.Errorf("back: %+v", got)
	}
	w.answeredBy(1)
	if again := kafka("rebuild", "balances"); again.Code != cli.ExitOK || !contains(again.Out, "new columns", "deposited_total", "balances version 2\n") {
		t.Errorf("and there again: %+v", again)
	}
	w.answeredBy(2)
	holders := done("rebuild", "accounts-by-holder", "--rate", "0")
	if c := holders.Comparison; !holders.Switched || holders.Total != 0 || c.Rows != 5 || c.Same != 5 || !slices.Equal(c.New, []string{"holder"}) ||
		!slices.Equal(c.Gone, []string{"accounts", "holder_id"}) {
		t.Errorf("a re-keyed projection: %+v", holders)
	}
	refused(app, "serves already", "rebuild", "balances")
	w.stop()

	if verify := kafka("verify", "--url", s.HTTP, "--sample", "-1"); verify.Code != cli.ExitOK {
		t.Errorf("verify: exit %d\n%s%s", verify.Code, verify.Out, verify.Err)
	}
	for id, want := range paid {
		answer, err := patient(s).ViewRow(t.Context(), "balances", id, nil)
		if row := decode[BalancesRowV2](t, string(answer.Data)); err != nil || answer.Version != 2 || row.DepositedTotal != want || row.Balance != want {
			t.Errorf("%s: %+v, %v, want %d", id, row, err, want)
		}
	}
	if after := endsOf(t, admin, "transfer."); after != transfers {
		t.Errorf("policies have fired: the topics of transfers have grown from %d to %d", transfers, after)
	}
	if after := endsOf(t, admin, "account.commands"); after != commands+int64(w.sent) {
		t.Errorf("%d commands were sent, and the topic has grown by %d", w.sent, after-commands)
	}

	// The versions before go, and so does their declaration.
	refused(secondVersions(t, false), "not declared any more", "rebuild", "balances", "--back")
	for _, name := range []string{"balances", "accounts-by-holder"} {
		if got := kafka("rebuild", name, "--drop"); got.Code != cli.ExitOK || !contains(got.Out, "deleted topic "+name+"-table\n", "deleted consumer group "+name+"\n", name+" version 2 serves\n") {
			t.Errorf("drop: %+v", got)
		}
	}
	topics := []string{"topics", "verify", "--brokers", strings.Join(s.Brokers, ","), "--partitions", "4", "--replication-factor", "1"}
	if got := clitest.Run(t, app, topics...); got.Code != cli.ExitOK {
		t.Errorf("topics after it: %+v", got)
	}
	if got := clitest.Run(t, testApp(), topics...); got.Code != cli.ExitFinding || !strings.Contains(got.Err, "version 2 serves, and version 1 is declared") {
		t.Errorf("the release before: %+v", got)
	}
	if got := clitest.Run(t, secondVersions(t, false), topics...); got.Code != cli.ExitOK {
		t.Errorf("the release without version 1: %+v", got)
	}
	if ready := patient(s).Ready(t.Context()); ready != nil {
		t.Errorf("not ready after the version before was dropped: %v", ready)
	}
	stop(t, s)
}

// patient returns a client that tries again.
func patient(s *clitest.System) *client.Client {
	c, err := client.New(client.Config{URL: s.HTTP})
	if err != nil {
		panic(err)
	}
	return c
}

// endsOf returns how many offsets there are in the topics whose names start so.
func endsOf(t *testing.T, admin *kadm.Client, prefix string) (n int64) {
	t.Helper()
	listed, err := admin.ListEndOffsets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	listed.Each(func(o kadm.ListedOffset) {
		if strings.HasPrefix(o.Topic, prefix) {
			n += o.Offset
		}
	})
	return n
}

// On an empty cluster the newest version serves at once, and nothing of the one before is made.
func TestNewestVersionOnEmptyCluster(t *testing.T) {
	t.Chdir(t.TempDir())
	dev, err := devcluster.Start(t.Context(), devcluster.Config{Dir: "cluster", KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	app := secondVersions(t, true)
	on := []string{"--brokers", dev.Brokers()[0], "--partitions", "4", "--replication-factor", "1"}
	created := clitest.Run(t, app, append([]string{"topics", "create"}, on...)...)
	if created.Code != cli.ExitOK || !contains(created.Out, "topic balances.v2-table\n", "topic foldlog.versions\n") || strings.Contains(created.Out, "balances-table") {
		t.Errorf("topics create: %+v", created)
	}
	for _, name := range []string{"balances", "accounts-by-holder"} {
		if status := clitest.Run(t, app, append([]string{"rebuild", name, "--status"}, on...)...); !contains(status.Out, "1        declared", "2        serving") {
			t.Errorf("%s: %+v", name, status)
		}
	}
}

// The page shows the code and the schema that the test above runs.
func TestRebuildPageShowsWhatRuns(t *testing.T) {
	source, err := os.ReadFile("rebuild_test.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/read-models.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(source), "up to the line of dashes.\n\n")
	code, _, found := strings.Cut(code, "\n// ------\n")
	if !found || !strings.Contains(string(page), "```go\n"+code+"```\n") {
		t.Error("docs/read-models.md shows other code than the test runs")
	}
	if !strings.Contains(string(page), "```json\n"+balancesV2Schema+"```\n") {
		t.Error("docs/read-models.md shows another schema than the test uses")
	}
}
