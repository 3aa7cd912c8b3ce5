package cli_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/proof/banknext"
)

// secondVersions is the bank's next release.
func secondVersions(beside bool) cli.App {
	app := banknext.App(beside)
	app.Version = testApp().Version
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
			// the machine shall not be busy with this alone
			pace := time.NewTicker(15 * time.Millisecond)
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
	row := decode[banknext.BalancesRowV2](w.t, string(answer.Data))
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

// firstRelease makes the topics of the release that has version 1 alone.
func firstRelease(t *testing.T, dataDir string) {
	t.Helper()
	dev, err := devcluster.Start(t.Context(), devcluster.Config{Dir: dataDir + "/cluster", KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	created := run(t, "topics", "create", "--brokers", dev.Brokers()[0], "--partitions", "4", "--replication-factor", "1")
	if created.Code != cli.ExitOK || !contains(created.Out, "topic balances-table\n") || strings.Contains(created.Out, "versions") {
		t.Errorf("topics create: %+v", created)
	}
	if err := dev.Close(); err != nil {
		t.Fatal(err)
	}
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
	firstRelease(t, "data")
	app := secondVersions(true)
	s := clitest.Start(t, app, "data")
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
	w.answeredBy(1)
	filled := done("rebuild", "balances", "--rate", "0")
	if c := filled.Comparison; !filled.Switched || filled.State.Serving != 2 || filled.State.Other != 1 || filled.State.Stage != "kept" || filled.Total != 0 || c.Rows != accounts+1 || c.Same != c.Rows ||
		!slices.Equal(c.New, []string{"deposited_total"}) || len(c.Gone) != 0 {
		t.Errorf("filled: %+v", filled)
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
		if row := decode[banknext.BalancesRowV2](t, string(answer.Data)); err != nil || answer.Version != 2 || row.DepositedTotal != want || row.Balance != want {
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
	refused(secondVersions(false), "not declared any more", "rebuild", "balances", "--back")
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
	if got := clitest.Run(t, secondVersions(false), topics...); got.Code != cli.ExitOK {
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
	app := secondVersions(true)
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
	shown := map[string]string{"```go\n": "../proof/banknext/balances.go", "```json\n": "../proof/banknext/schemas/balances.v2-table/v1.avsc"}
	page, err := os.ReadFile("../docs/read-models.md")
	if err != nil {
		t.Fatal(err)
	}
	for fence, name := range shown {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, code, found := strings.Cut(string(source), "shows what follows.\n\n")
		if !found {
			code = string(source)
		}
		if !strings.Contains(string(page), fence+code+"```\n") {
			t.Errorf("docs/read-models.md shows another %s", name)
		}
	}
}
