package bankv1_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/bank/bankapp"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/proof/bankv1"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

func TestMain(m *testing.M) {
	// the developer's own settings must not change the tests
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "FOLDLOG_") {
			os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

const (
	partitions = "2"
	workers    = 4
)

// impatient asks for readiness as a load balancer does.
var impatient = http.Client{Timeout: 5 * time.Second}

// instance is a process of either release: the whole system but the broker.
type instance struct {
	t      *testing.T
	name   string
	url    string
	once   *client.Client // asks once
	client *client.Client
	cancel context.CancelFunc
	code   chan int
	log    lockedBuffer
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// fleet is what a load balancer and a deployment know: the instances that take requests.
type fleet struct {
	t       *testing.T
	cluster *devcluster.Cluster
	dir     string

	mu    sync.Mutex
	ready []*instance
}

// start starts an instance, and sends requests to it once it is ready.
func (f *fleet) start(app cli.App, name string) *instance {
	f.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	i := &instance{t: f.t, name: name, url: "http://" + address, cancel: cancel, code: make(chan int, 1)}
	if i.once, err = client.New(client.Config{URL: i.url, Patience: -1}); err != nil {
		f.t.Fatal(err)
	}
	if i.client, err = client.New(client.Config{URL: i.url}); err != nil {
		f.t.Fatal(err)
	}
	line := []string{"run", "--brokers", f.cluster.Brokers()[0], "--registry", f.cluster.RegistryURL(), "--http", address, "--instance", name,
		"--data-dir", filepath.Join(f.dir, name), "--partitions", partitions, "--replication-factor", "1", "--log-level", "warn"}
	go func() { i.code <- cli.Run(ctx, app, line, strings.NewReader(""), &i.log, &i.log) }()
	f.t.Cleanup(cancel)
	wait(f.t, name+" is ready", func() bool {
		select {
		case code := <-i.code:
			f.t.Fatalf("%s ended with %d\n%s", name, code, i.log.String())
		default:
		}
		resp, err := impatient.Get(i.url + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = append(f.ready, i)
	return i
}

// stop sends no more requests to an instance and stops it as SIGTERM does.
func (f *fleet) stop(i *instance) {
	f.t.Helper()
	f.mu.Lock()
	f.ready = slices.DeleteFunc(f.ready, func(other *instance) bool { return other == i })
	f.mu.Unlock()
	i.cancel()
	select {
	case code := <-i.code:
		if code != cli.ExitOK {
			f.t.Errorf("%s ended with %d\n%s", i.name, code, i.log.String())
		}
	case <-time.After(time.Minute):
		f.t.Fatalf("%s does not end\n%s", i.name, i.log.String())
	}
}

// send sends a command to any instance, and again under the same id until there is an answer.
func (f *fleet) send(ctx context.Context, n int, command client.Command) (client.Outcome, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("no instance answers it"))
	defer cancel()
	for attempt := n; ; attempt++ {
		f.mu.Lock()
		target := f.ready[attempt%len(f.ready)]
		f.mu.Unlock()
		outcome, err := target.once.Send(ctx, command)
		var refused *client.Problem
		switch {
		case err == nil:
			return outcome, nil
		case ctx.Err() != nil:
			return outcome, errors.Join(context.Cause(ctx), err)
		case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError && refused.Status != http.StatusTooManyRequests:
			return outcome, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// acknowledged is a command with its first answer.
type acknowledged struct {
	command client.Command
	outcome client.Outcome
}

// load is producers at work that are not upgraded: they know nothing of ids, names and channels.
type load struct {
	*fleet
	cancel context.CancelFunc
	done   sync.WaitGroup
	count  atomic.Int64

	mu   sync.Mutex
	sent []acknowledged
}

func (f *fleet) load() *load {
	ctx, cancel := context.WithCancel(f.t.Context())
	l := &load{fleet: f, cancel: cancel}
	for w := range workers {
		l.done.Go(func() { l.work(ctx, w) })
	}
	return l
}

func accountOf(worker int) string { return fmt.Sprintf("account-%d", worker) }

func (l *load) work(ctx context.Context, w int) {
	for n := 0; ctx.Err() == nil; n++ {
		c := client.Command{Aggregate: "account", ID: accountOf(w), Type: "deposit", CommandID: fmt.Sprintf("w%d-%d", w, n),
			Data: map[string]any{"amount": 10, "currency": "EUR", "reference": "load"}}
		switch {
		case n == 0:
			c.Type, c.Data = "open", map[string]any{"holder": fmt.Sprintf("Holder %d", w%2), "currency": "EUR"}
		case n%5 == 4:
			c.Type = "withdraw"
		case n%5 == 3:
			c.Aggregate, c.ID, c.Type = "transfer", fmt.Sprintf("t%d-%d", w, n), "request"
			c.Data = map[string]any{"from": accountOf(w), "to": accountOf((w + 1) % workers), "amount": 3, "currency": "EUR"}
		}
		// A command that has begun is seen through: its sender wants to know its outcome.
		outcome, err := l.send(l.t.Context(), w+n, c)
		if err != nil {
			l.t.Errorf("%s %s: %v", c.Type, c.CommandID, err)
			return
		}
		l.mu.Lock()
		l.sent = append(l.sent, acknowledged{c, outcome})
		l.mu.Unlock()
		l.count.Add(1)
	}
}

// more waits until that many more commands were answered.
func (l *load) more(commands int64) {
	l.t.Helper()
	from := l.count.Load()
	wait(l.t, "commands are answered", func() bool { return l.t.Failed() || l.count.Load() >= from+commands })
}

func (l *load) stop() {
	l.cancel()
	l.done.Wait()
}

// A deployment replaces processes one after another, goes back once, and nobody notices: every
// command is carried out exactly once, every account has its versions 1..n, whatever release wrote
// each of them, and what is sent again afterwards gets the first answer.
func TestRollingUpgradeUnderLoad(t *testing.T) {
	dir := t.TempDir()
	cluster, err := devcluster.Start(t.Context(), devcluster.Config{Dir: filepath.Join(dir, "cluster"), KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Close() })
	f := &fleet{t: t, cluster: cluster, dir: dir}
	create := func(app cli.App) {
		t.Helper()
		created := clitest.Run(t, app, "topics", "create", "--brokers", cluster.Brokers()[0], "--partitions", partitions, "--replication-factor", "1")
		if created.Code != cli.ExitOK {
			t.Fatalf("topics: %+v", created)
		}
	}
	create(bankv1.App())
	old1, old2 := f.start(bankv1.App(), "old-1"), f.start(bankv1.App(), "old-2")
	l := f.load()
	l.more(20)

	create(bankv1.Next()) // what the new release needs besides
	f.stop(old1)
	new1 := f.start(bankv1.Next(), "new-1")
	l.more(30)
	// a step back: the old release goes on with what the new one left, and starts where newer
	// versions are registered
	f.stop(new1)
	old1 = f.start(bankv1.App(), "old-1")
	l.more(20)
	new1 = f.start(bankv1.Next(), "new-1")
	l.more(20)
	f.stop(old1)
	f.stop(old2)
	new2 := f.start(bankv1.Next(), "new-2")
	l.more(20)
	l.stop()
	if t.Failed() {
		t.FailNow()
	}

	f.settle(t)
	f.sendAgain(t, l.sent)
	f.upgradedProducers(t)
	f.checkLog(t, l.sent)
	f.stop(new1)
	f.stop(new2)
}

// sendAgain has every producer ask again, and get the first answer.
func (f *fleet) sendAgain(t *testing.T, sent []acknowledged) {
	t.Helper()
	var producers sync.WaitGroup
	for w := range workers {
		producers.Go(func() {
			for i := w; i < len(sent); i += workers {
				a := sent[i]
				again, err := f.send(t.Context(), i, a.command)
				if err != nil || !again.Repeat || again.Version != a.outcome.Version || !slices.Equal(again.EventIDs, a.outcome.EventIDs) {
					t.Errorf("%s %s again: %+v, %v; the first answer was %+v", a.command.Type, a.command.CommandID, again, err, a.outcome)
				}
			}
		})
	}
	producers.Wait()
}

// client returns a client of some instance.
func (f *fleet) client() *client.Client { return f.ready[0].client }

// settle waits until no transfer is under way.
func (f *fleet) settle(t *testing.T) {
	t.Helper()
	wait(t, "transfers are settled", func() bool {
		for row, err := range f.client().ViewRows(t.Context(), "transfers", client.Query{}) {
			if err != nil || !strings.Contains(string(row.Data), `"completed"`) && !strings.Contains(string(row.Data), `"refused"`) {
				return false
			}
		}
		return true
	})
}

// upgradedProducers use what the new release has, in views and events, on old accounts and new
// ones.
func (f *fleet) upgradedProducers(t *testing.T) {
	t.Helper()
	send := func(id, kind string, data map[string]any) client.Outcome {
		t.Helper()
		o, err := f.send(t.Context(), 0, client.Command{Aggregate: "account", ID: id, Type: kind, CommandID: "new-" + kind + id, Data: data})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	send(accountOf(0), "deposit", map[string]any{"amount": 1, "currency": "EUR", "channel": "atm"})
	last := send("fresh", "open", map[string]any{"holder_id": "Holder 0", "holder_name": "Hanna Holder", "currency": "EUR"})
	row, err := f.client().ViewRow(t.Context(), "accounts-by-holder", "Holder 0", last.Token)
	var list struct {
		HolderID string `json:"holder_id"`
		Accounts []struct {
			AccountID  string `json:"account_id"`
			HolderName string `json:"holder_name"`
		} `json:"accounts"`
	}
	if err != nil || json.Unmarshal(row.Data, &list) != nil {
		t.Fatalf("%s, %v", row.Data, err)
	}
	names := map[string]string{}
	for _, a := range list.Accounts {
		names[a.AccountID] = a.HolderName
	}
	if list.HolderID != "Holder 0" || names[accountOf(0)] != "Holder 0" || names["fresh"] != "Hanna Holder" {
		t.Errorf("the holder's row is %s", row.Data)
	}
}

// checkLog reads the log as somebody who knows no release: versions, causes and sums.
func (f *fleet) checkLog(t *testing.T, sent []acknowledged) {
	t.Helper()
	admin, err := kgo.NewClient(kgo.SeedBrokers(f.cluster.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	read := func(topic string) []*kgo.Record {
		t.Helper()
		ends, err := kadm.NewClient(admin).ListCommittedOffsets(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		return readTopic(t, f.cluster.Brokers(), topic, ends[topic])
	}
	for _, topic := range bankapp.App().Topology.Topics(topology.Settings{}) {
		if strings.HasSuffix(topic.Name, ".dead-letters") {
			for _, r := range read(topic.Name) {
				t.Errorf("%s: a dead letter of %s: %v", topic.Name, r.Key, r.Headers)
			}
		}
	}
	registry := schemas.New(schemas.Config{URL: f.cluster.RegistryURL()}, slog.New(slog.DiscardHandler))
	now := newReader(t, registry, bankapp.App())
	causes, versions, balances, schemaIDs := map[string]int{}, map[string]int64{}, map[string]int64{}, map[uint32]int{}
	for _, r := range read("account.events") {
		e, err := now.Aggregate("account").DecodeEvent(t.Context(), r.Value)
		if err != nil {
			t.Fatal(err)
		}
		schemaIDs[binary.BigEndian.Uint32(r.Value[1:])]++
		causes[e.CommandID]++
		if versions[e.AggregateID]++; e.Version != versions[e.AggregateID] {
			t.Errorf("%s: version %d follows %d", e.AggregateID, e.Version, versions[e.AggregateID]-1)
		}
		data := fields(t, e.Data)
		if data["holder_id"] == "" || data["holder_name"] == "" {
			t.Errorf("%s of %s carries no holder: %v", e.Type, e.AggregateID, data)
		}
		amount, _ := data["amount"].(float64)
		switch e.Type {
		case "Deposited", "Credited", "Refunded":
			balances[e.AggregateID] += int64(amount)
		case "Withdrawn", "Debited":
			balances[e.AggregateID] -= int64(amount)
		}
	}
	if len(schemaIDs) != 2 {
		t.Errorf("events were written with %d schemas; this is no test of two releases: %v", len(schemaIDs), schemaIDs)
	}
	for command, n := range causes {
		if n != 1 {
			t.Errorf("command %s caused %d events", command, n)
		}
	}
	for _, a := range sent {
		if a.command.Aggregate == "account" && causes[a.command.CommandID] != 1 {
			t.Errorf("command %s was accepted and caused %d events", a.command.CommandID, causes[a.command.CommandID])
		}
	}
	for id, version := range versions {
		state, err := f.client().State(t.Context(), "account", id, nil)
		if err != nil {
			t.Fatal(err)
		}
		row, err := f.client().ViewRow(t.Context(), "balances", id, nil)
		if err != nil {
			t.Fatal(err)
		}
		var shown, listed struct {
			Balance    int64
			HolderID   string `json:"holder_id"`
			HolderName string `json:"holder_name"`
		}
		if err := errors.Join(json.Unmarshal(state.Data, &shown), json.Unmarshal(row.Data, &listed)); err != nil {
			t.Fatal(err)
		}
		if state.Version != version || shown.Balance != balances[id] || shown != listed || shown.HolderID == "" {
			t.Errorf("%s: version %d and balance %d in the log, state %d %+v, row %+v", id, version, balances[id], state.Version, shown, listed)
		}
	}
	t.Logf("%d commands, events by schema id: %v", len(sent), schemaIDs)
}
