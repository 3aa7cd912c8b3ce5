package bankapp_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/bankapp"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
	"github.com/foldlog/foldlog/client"
)

// What an account was at any version and at any time is what its events, read from the log by
// another reader, add up to by another sum.
func TestAsOf(t *testing.T) {
	system := clitest.Start(t, bankapp.App(), t.TempDir())
	draw := rand.New(rand.NewPCG(5, 1))
	c := newClient(t, system)
	accounts := []string{"a", "b", "c", "d", "e", "never-opened"}
	for i, id := range accounts[:5] {
		send(t, c, client.Command{Aggregate: "account", ID: id, Type: "open",
			Data: map[string]any{"holder": id, "currency": []string{"EUR", "EUR", "EUR", "EUR", "USD"}[i], "overdraft_limit": []int{0, -1, 50, 1000, 0}[i]}})
	}
	var commands []client.Command
	for range 200 {
		id, amount := accounts[draw.IntN(len(accounts))], 1+draw.IntN(100)
		command := client.Command{Aggregate: "account", ID: id, Type: []string{"deposit", "deposit", "withdraw"}[draw.IntN(3)],
			Data: map[string]any{"amount": amount, "currency": "EUR", "reference": ""}}
		if draw.IntN(12) == 0 {
			command.Type, command.Data = []string{"freeze", "unfreeze", "unfreeze"}[draw.IntN(3)], map[string]any{"reason": ""}
		}
		commands = append(commands, command)
	}
	commands = append(commands, transfers(draw, accounts, 40, "EUR", 150)...)
	draw.Shuffle(len(commands), func(i, j int) { commands[i], commands[j] = commands[j], commands[i] })
	sendAll(t, c, commands, 8)
	awaitTransfers(t, c, commands)
	if types := compareAsOf(t, system, c, draw, 300); len(types) < 10 {
		t.Errorf("the accounts have only events of the types %v", types)
	}
}

// The same after the bank's real records and a day of transfers, with as many pairs as it takes to
// meet every corner.
func TestAsOfAfterTheRealImport(t *testing.T) {
	if os.Getenv("FOLDLOG_TEST_LONG") != "1" {
		t.Skip("SKIPPED: 10,000 states after the real import and 20,000 transfers take minutes; FOLDLOG_TEST_LONG=1 runs them")
	}
	file := filepath.Join("..", "..", "..", "shared", "data", "berka", "trans-1993q1-q3.asc")
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("the Berka data set is not beside the project: %v", err)
	}
	system := clitest.Start(t, bankapp.App(), t.TempDir())
	if got := system.Run("bank", "import", file); got.Code != cli.ExitOK {
		t.Fatal(got.Err)
	}
	draw := rand.New(rand.NewPCG(5, 2))
	c := newClient(t, system)
	var accounts []string
	for row, err := range c.ViewRows(t.Context(), "balances", client.Query{Limit: 1000}) {
		if err != nil {
			t.Fatal(err)
		}
		accounts = append(accounts, row.Key)
	}
	commands := transfers(draw, append(accounts, "nobody"), 20_000, "CZK", 1_000_000)
	sendAll(t, c, commands, 64)
	awaitTransfers(t, c, commands)
	compareAsOf(t, system, c, draw, 10_000)
}

func newClient(t *testing.T, system *clitest.System) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{URL: system.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// send sends a command; it may be refused.
func send(t *testing.T, c *client.Client, command client.Command) {
	t.Helper()
	_, err := c.Send(t.Context(), command)
	if problem, is := errors.AsType[*client.Problem](err); is && problem.Status == 422 {
		return
	}
	if err != nil {
		t.Error(err)
	}
}

func sendAll(t *testing.T, c *client.Client, commands []client.Command, workers int) {
	t.Helper()
	queue := make(chan client.Command)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for command := range queue {
				send(t, c, command)
			}
		})
	}
	for _, command := range commands {
		queue <- command
	}
	close(queue)
	all.Wait()
}

// transfers returns requests between random pairs of accounts.
func transfers(draw *rand.Rand, accounts []string, n int, currency string, most int) []client.Command {
	var all []client.Command
	for i := range n {
		from, to := draw.IntN(len(accounts)), draw.IntN(len(accounts)-1)
		if to >= from {
			to++
		}
		all = append(all, client.Command{Aggregate: "transfer", ID: fmt.Sprintf("t-%d", i), Type: "request", Data: map[string]any{
			"from": accounts[from], "to": accounts[to], "amount": 1 + draw.IntN(most), "currency": currency, "reference": ""}})
	}
	return all
}

// awaitTransfers waits until all transfers have come to their end.
func awaitTransfers(t *testing.T, c *client.Client, commands []client.Command) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Minute)
	for _, command := range commands {
		for command.Aggregate == "transfer" {
			state, err := c.State(t.Context(), "transfer", command.ID, nil)
			var transfer struct{ Status string }
			if err == nil {
				err = json.Unmarshal(state.Data, &transfer)
			}
			if err == nil && slices.Contains([]string{"completed", "refused", "returned"}, transfer.Status) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("transfer %s is %q in the end, %v", command.ID, transfer.Status, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// ledgerState is what an account's events add up to.
type ledgerState struct {
	Status         string `json:"status"`
	Currency       string `json:"currency"`
	OverdraftLimit int64  `json:"overdraft_limit"`
	Balance        int64  `json:"balance"`
}

// sum adds up events by what they are called.
func sum(events []logged) ledgerState {
	s := ledgerState{Status: "none"}
	for _, e := range events {
		amount, _ := e.data["amount"].(int64)
		switch {
		case e.typ == "AccountOpened":
			s.Status, s.Currency, s.OverdraftLimit = "open", e.data["currency"].(string), e.data["overdraft_limit"].(int64)
		case strings.HasPrefix(e.typ, "Account"):
			s.Status = map[string]string{"Frozen": "frozen", "Unfrozen": "open", "Closed": "closed"}[strings.TrimPrefix(e.typ, "Account")]
		case e.typ == "Deposited", e.typ == "Credited", e.typ == "Refunded":
			s.Balance += amount
		case e.typ == "Withdrawn", e.typ == "Debited":
			s.Balance -= amount
		case strings.HasSuffix(e.typ, "Declined"): // nothing came of it
		default:
			panic("an event that the ledger does not know: " + e.typ)
		}
	}
	return s
}

// compareAsOf compares random pairs of an account and a version or a time with the log. It returns
// the types of events there were.
func compareAsOf(t *testing.T, system *clitest.System, c *client.Client, draw *rand.Rand, pairs int) []string {
	t.Helper()
	log, token := readLog(t, system, "account.events")
	var ids []string
	types := map[string]bool{}
	total := 0
	for id, events := range log {
		ids = append(ids, id)
		total += len(events)
		for i, e := range events {
			if types[e.typ] = true; e.version != int64(i+1) {
				t.Fatalf("event %d of %s has version %d", i+1, id, e.version)
			}
		}
	}
	slices.Sort(ids)
	queue := make(chan func(), 64)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for compare := range queue {
				compare()
			}
		})
	}
	none := 0
	for range pairs {
		id := ids[draw.IntN(len(ids))]
		moment, count := randomMoment(draw, log[id])
		if count == 0 || moment.Version > int64(len(log[id])) {
			none++
		}
		queue <- func() { compareState(t, c, id, moment, log[id], count, token) }
	}
	close(queue)
	all.Wait()
	t.Logf("%d pairs of %d accounts with %d events compared; %d of them before the first event or behind the last version", pairs, len(ids), total, none)
	var sorted []string
	for typ := range types {
		sorted = append(sorted, typ)
	}
	slices.Sort(sorted)
	return sorted
}

// randomMoment returns a moment and how many of the events had happened then.
func randomMoment(draw *rand.Rand, events []logged) (moment client.Moment, count int) {
	if draw.IntN(2) == 0 {
		// one more than there are, now and then
		moment.Version = 1 + draw.Int64N(int64(len(events))+1)
		return moment, int(min(moment.Version, int64(len(events))))
	}
	first, last := events[0].recordedAt, events[len(events)-1].recordedAt
	switch draw.IntN(3) {
	case 0: // exactly that of an event
		moment.At = events[draw.IntN(len(events))].recordedAt
	case 1: // just before one
		moment.At = events[draw.IntN(len(events))].recordedAt.Add(-time.Microsecond)
	default:
		moment.At = first.Add(time.Duration(draw.Int64N(int64(last.Sub(first))+int64(time.Second))) - time.Second/2)
	}
	for count < len(events) && !events[count].recordedAt.After(moment.At) {
		count++
	}
	return moment, count
}

func compareState(t *testing.T, c *client.Client, id string, moment client.Moment, events []logged, count int, token foldlog.Token) {
	state, err := c.StateAsOf(t.Context(), "account", id, moment, token)
	if count == 0 || moment.Version > int64(len(events)) {
		if client.CodeOf(err) != "not_found" {
			t.Errorf("%s at %+v: version %d, %v; want none", id, moment, state.Version, err)
		}
		return
	}
	var have ledgerState
	if err == nil {
		err = json.Unmarshal(state.Data, &have)
	}
	want := sum(events[:count])
	if err != nil || have != want || state.Version != int64(count) || !state.RecordedAt.Equal(events[count-1].recordedAt) {
		t.Errorf("%s at %+v: version %d of %s, %+v, %v\nwant version %d of %s, %+v", id, moment, state.Version, state.RecordedAt, have, err,
			count, events[count-1].recordedAt, want)
	}
}
