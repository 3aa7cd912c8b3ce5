package bank_test

import (
	"flag"
	"fmt"
	"math"
	"math/big"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/bank/transfer"
)

// pair is the bank and the book, which are told the same and must agree.
type pair struct {
	t *rapid.T
	*world
	book *book
	// external is what was paid in from outside less what was taken out, for each account.
	external map[string]*big.Int
	tally    map[string]int
}

// TestMain has rapid try more than its default of 100 random runs, unless -rapid.checks says
// otherwise: they are cheap, and a mistake that shows at one balance of one account only needs
// them.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "500"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

var (
	accountIDs  = []string{"a", "b", "c", "d"}
	transferIDs = []string{"t1", "t2", "t3"}
)

// newPair opens some of the accounts, with balances at the edges of what is possible where wild.
func newPair(t *rapid.T, tally map[string]int, wild bool) *pair {
	p := &pair{t: t, world: newWorld(), book: newBook(), external: map[string]*big.Int{}, tally: tally}
	for _, id := range accountIDs {
		p.external[id] = new(big.Int)
		if rapid.IntRange(0, 5).Draw(t, id+" missing") == 0 {
			continue
		}
		limit := rapid.SampledFrom([]int64{-1, 0, 100, 1e15}).Draw(t, id+" limit")
		balance := rapid.Int64Range(0, 300).Draw(t, id+" balance")
		if wild {
			edges := []int64{0, 1, 1<<62 - 50, 1 << 62, 1<<62 + 50, math.MaxInt64 - 50, math.MaxInt64}
			if limit == -1 {
				edges = append(edges, -1, -(1 << 62), -(1<<62)+50)
			}
			balance = rapid.SampledFrom(edges).Draw(t, id+" balance")
		}
		currency := rapid.SampledFrom([]string{"EUR", "EUR", "EUR", "USD"}).Draw(t, id+" currency")
		p.given(id, account.Opened{HolderID: id, HolderName: id, Currency: currency, OverdraftLimit: limit})
		p.book.enter(question{word: "open", id: id, currency: currency, limit: limit})
		switch {
		case balance < 0:
			p.given(id, account.Withdrawn{HolderID: id, HolderName: id, Amount: -balance, Currency: currency})
		case balance > 0:
			p.given(id, account.Deposited{HolderID: id, HolderName: id, Amount: balance, Currency: currency})
		}
		p.book.entries = append(p.book.entries, entry{id, big.NewInt(balance)})
		p.external[id].SetInt64(balance)
	}
	return p
}

func (p *pair) given(id string, event account.Event) { p.happened("account", id, event) }

// run executes a command in both and compares what they make of it.
func (p *pair) run(d delivery) {
	t := p.t
	q := ask(d.id, d.command)
	want := p.book.judge(q)
	events, err := p.execute(d)
	got := ""
	if err != nil {
		r, ok := foldlog.AsRejection(err)
		if !ok {
			t.Fatalf("%s %s: %#v: failed with %v", d.aggregate, d.id, d.command, err)
		}
		got = r.Code
	}
	answered := err == nil && (q.word == "debit" || q.word == "credit")
	if answered {
		got = declineReason(t, events)
	}
	p.tally[q.word+" "+want]++
	if got != want {
		t.Fatalf("%s %s: %#v: the code is %q, the book says %q\nstate: %+v", d.aggregate, d.id, d.command, got, want, p.row(d.aggregate, d.id).state)
	}
	// A debit or credit that cannot be done is answered by an event, unless a field was wrong.
	if declinable := q.word == "debit" || q.word == "credit"; declinable && want != "invalid_field" && !answered {
		t.Fatalf("%s %s: %#v: rejected with %q, but a transfer waits for an event", d.aggregate, d.id, d.command, got)
	}
	if want == "" {
		p.book.enter(q)
		switch q.word {
		case "deposit":
			p.external[d.id].Add(p.external[d.id], big.NewInt(q.amount))
		case "withdraw":
			p.external[d.id].Sub(p.external[d.id], big.NewInt(q.amount))
		}
	}
	p.compare()
}

// declineReason returns the code of the one event that answers a debit or credit, "" if it was
// done.
func declineReason(t *rapid.T, events []any) string {
	if len(events) != 1 {
		t.Fatalf("a debit or credit is answered by %d events: %v", len(events), events)
	}
	switch e := events[0].(type) {
	case account.DebitDeclined:
		return e.Reason
	case account.CreditDeclined:
		return e.Reason
	}
	return ""
}

// compare finds differences between the states and the book, and balances that must not be.
func (p *pair) compare() {
	t := p.t
	for _, id := range accountIDs {
		have := p.account(id)
		if want := p.book.balance(id); want.Cmp(big.NewInt(have.Balance)) != 0 {
			t.Fatalf("account %s: the balance is %d, the entries add up to %s", id, have.Balance, want)
		}
		if want := p.book.status(id); have.Status != want {
			t.Fatalf("account %s: the status is %s, the book says %s", id, have.Status, want)
		}
		if have.OverdraftLimit >= 0 && have.Balance < -have.OverdraftLimit {
			t.Fatalf("account %s: the balance is %d, below the overdraft limit of %d", id, have.Balance, have.OverdraftLimit)
		}
		if have.Balance < -(1 << 62) {
			t.Fatalf("account %s: the balance is %d, below -2^62", id, have.Balance)
		}
	}
	for id, said := range p.book.transfers {
		if have := p.transfer(id).Status; have != statusOf[said] {
			t.Fatalf("transfer %s: the status is %s, the book says %s", id, have, statusOf[said])
		}
	}
}

// amount draws an amount for a movement on the account: small, at an edge of what is allowed, or
// such that the balance comes to an edge, give or take one.
func (p *pair) amount(id string) int64 {
	t := p.t
	switch rapid.IntRange(0, 9).Draw(t, "kind of amount") {
	case 0:
		return rapid.SampledFrom([]int64{0, -1, math.MinInt64, 1e15, 1e15 + 1, math.MaxInt64}).Draw(t, "amount at an edge")
	case 1, 2, 3, 4:
		if rooms := p.rooms(id); len(rooms) > 0 {
			return rapid.SampledFrom(rooms).Draw(t, "room") + rapid.Int64Range(-1, 1).Draw(t, "give or take")
		}
	}
	return rapid.Int64Range(1, 150).Draw(t, "small amount")
}

// rooms returns how far it is from the account's balance to each edge that one movement can reach.
func (p *pair) rooms(id string) []int64 {
	balance, f := p.book.balance(id), p.book.accounts[id]
	edges := []*big.Int{new(big.Int).Sub(balance, lowest), new(big.Int).Sub(highest, balance), new(big.Int).Sub(highestEver, balance)}
	if f != nil && f.limit != nil {
		edges = append(edges, new(big.Int).Add(balance, f.limit))
	}
	var rooms []int64
	for _, edge := range edges {
		if edge.Sign() >= 0 && edge.Cmp(trillions) <= 0 {
			rooms = append(rooms, edge.Int64())
		}
	}
	return rooms
}

// currency draws that of the account, more often than not.
func (p *pair) currency(id string) string {
	if f := p.book.accounts[id]; f != nil && rapid.IntRange(0, 9).Draw(p.t, "own currency") > 0 {
		return f.currency
	}
	return rapid.SampledFrom([]string{"EUR", "USD", "eur"}).Draw(p.t, "currency")
}

func (p *pair) text(most int) string {
	if rapid.IntRange(0, 30).Draw(p.t, "long text") == 0 {
		return strings.Repeat("ü", most+rapid.IntRange(0, 1).Draw(p.t, "too long"))
	}
	return "text"
}

// clientCommand draws a command as clients send them.
func (p *pair) clientCommand(transferID string) delivery {
	t := p.t
	id := rapid.SampledFrom(accountIDs).Draw(t, "account")
	d := delivery{aggregate: "account", id: id, commandID: fmt.Sprintf("client-%d", p.commands)}
	switch rapid.SampledFrom([]string{
		"open", "deposit", "deposit", "withdraw", "withdraw", "freeze", "unfreeze", "unfreeze", "close", "request", "request", "request", "request",
	}).Draw(t, "command") {
	case "open":
		d.command = account.Open{
			HolderID:       rapid.SampledFrom([]string{"ann", "bob", strings.Repeat("ü", 200), strings.Repeat("x", 201), "  "}).Draw(t, "holder id"),
			HolderName:     rapid.SampledFrom([]string{"Ann", "Ann", strings.Repeat("ü", 200), strings.Repeat("x", 201), "  "}).Draw(t, "holder name"),
			Currency:       p.currency(id),
			OverdraftLimit: rapid.SampledFrom([]int64{-1, 0, 100, 1e15, 1e15 + 1, -2}).Draw(t, "limit"),
		}
	case "deposit":
		d.command = account.Deposit{Amount: p.amount(id), Currency: p.currency(id), Reference: p.text(200), Channel: p.text(50)}
	case "withdraw":
		d.command = account.Withdraw{Amount: p.amount(id), Currency: p.currency(id), Reference: p.text(200), Channel: p.text(50)}
	case "freeze":
		d.command = account.Freeze{Reason: p.text(500)}
	case "unfreeze":
		d.command = account.Unfreeze{Reason: p.text(500)}
	case "close":
		d.command = account.Close{Reason: p.text(500)}
	default:
		to := rapid.SampledFrom(append([]string{"never opened", "never-opened"}, accountIDs...)).Draw(t, "to")
		d.aggregate, d.id = "transfer", transferID
		d.command = transfer.Request{From: id, To: to, Amount: p.amount(id), Currency: p.currency(id), Reference: p.text(200)}
	}
	return d
}

// internalCommand draws a command that only policies should send.
func (p *pair) internalCommand() delivery {
	t := p.t
	id := rapid.SampledFrom(accountIDs).Draw(t, "account")
	d := delivery{aggregate: "account", id: id, commandID: fmt.Sprintf("internal-%d", p.commands)}
	transferID, other := "t1", "a"
	if rapid.IntRange(0, 20).Draw(t, "bad id") == 0 {
		transferID = rapid.SampledFrom([]string{"", "__t", "..", "t t", strings.Repeat("t", 201)}).Draw(t, "transfer id")
		other = rapid.SampledFrom([]string{"a", "."}).Draw(t, "counterparty")
	}
	switch word := rapid.SampledFrom([]string{
		"debit", "credit", "refund", "confirm-debit", "decline-debit", "confirm-credit", "decline-credit", "confirm-refund",
	}).Draw(t, "command"); word {
	case "debit":
		d.command = account.Debit{TransferID: transferID, Counterparty: other, Amount: p.amount(id), Currency: p.currency(id)}
	case "credit":
		d.command = account.Credit{TransferID: transferID, Counterparty: other, Amount: p.amount(id), Currency: p.currency(id)}
	case "refund":
		d.command = account.Refund{TransferID: transferID, Counterparty: other, Amount: p.amount(id), Currency: p.currency(id)}
	default:
		d.aggregate, d.id = "transfer", rapid.SampledFrom(transferIDs).Draw(t, "transfer")
		reason := p.text(500)
		d.command = map[string]any{
			"confirm-debit": transfer.ConfirmDebit{Reason: reason}, "decline-debit": transfer.DeclineDebit{Reason: reason},
			"confirm-credit": transfer.ConfirmCredit{Reason: reason}, "decline-credit": transfer.DeclineCredit{Reason: reason},
			"confirm-refund": transfer.ConfirmRefund{Reason: reason},
		}[word]
	}
	return d
}

// TestDecidersAgreeWithTheBook sends any command to any aggregate in any state, without policies.
func TestDecidersAgreeWithTheBook(t *testing.T) {
	tally := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		p := newPair(t, tally, true)
		p.reactions = false
		for range rapid.IntRange(60, 150).Draw(t, "commands") {
			if rapid.Bool().Draw(t, "internal") {
				p.run(p.internalCommand())
				continue
			}
			p.run(p.clientCommand(rapid.SampledFrom(transferIDs).Draw(t, "transfer")))
		}
	})
	for _, code := range []string{
		"deposit ", "withdraw ", "open ", "freeze ", "unfreeze ", "close ", "debit ", "credit ", "refund ", "request ", "confirm-debit ",
		"decline-debit ", "confirm-credit ", "decline-credit ", "confirm-refund ",
		"open invalid_field", "open already_exists", "deposit unknown_aggregate", "deposit account_closed", "deposit account_frozen", "deposit currency_mismatch",
		"deposit amount_not_positive", "deposit amount_overflow", "withdraw insufficient_funds", "withdraw amount_overflow", "close balance_not_zero",
		"debit insufficient_funds", "debit amount_overflow", "credit amount_overflow", "refund amount_overflow", "refund unknown_aggregate",
		"request same_account", "request wrong_state", "unfreeze wrong_state",
	} {
		if tally[code] == 0 {
			t.Errorf("the random commands never came to %q; they prove nothing about it: %v", code, tally)
		}
	}
}

// TestMoneyIsConserved lets policies run. What they send arrives in any order, some of it twice,
// between any commands of clients.
func TestMoneyIsConserved(t *testing.T) {
	tally := map[string]int{}
	ends := map[transfer.Status]int{}
	rapid.Check(t, func(t *rapid.T) {
		p := newPair(t, tally, false)
		var requested []string
		for range rapid.IntRange(40, 120).Draw(t, "steps") {
			if len(p.pending) > 0 && rapid.IntRange(0, 2).Draw(t, "who") > 0 {
				p.deliver()
				continue
			}
			d := p.clientCommand(fmt.Sprintf("t%d", len(requested)))
			if _, ok := d.command.(transfer.Request); ok {
				requested = append(requested, d.id)
			}
			p.run(d)
			p.conserved(requested)
		}
		for len(p.pending) > 0 {
			p.deliver()
			p.conserved(requested)
		}
		p.settled(requested, ends)
	})
	for _, end := range []transfer.Status{transfer.StatusRefused, transfer.StatusCompleted, transfer.StatusReturned} {
		if ends[end] == 0 {
			t.Errorf("no transfer ended %s; the random commands prove nothing about it: %v", end, ends)
		}
	}
}

// deliver executes one of the pending commands, and leaves it among them now and then, so that it
// arrives again.
func (p *pair) deliver() {
	which := rapid.IntRange(0, len(p.pending)-1).Draw(p.t, "which arrives")
	d, first := p.arrive(which)
	if !first {
		return // the engine answers a repeated command id with the first outcome
	}
	p.run(d)
	if rapid.IntRange(0, 4).Draw(p.t, "again") == 0 {
		p.pending = append(p.pending, d)
	}
}

// conserved checks that the balances and what is in flight add up to what came from outside. It
// knows what is in flight from the transfers and from the answers that are still on their way to
// them.
func (p *pair) conserved(requested []string) {
	sum := new(big.Int)
	for _, id := range accountIDs {
		sum.Add(sum, big.NewInt(p.account(id).Balance))
		sum.Sub(sum, p.external[id])
	}
	for _, id := range requested {
		sum.Add(sum, big.NewInt(p.inFlight(id)))
	}
	if sum.Sign() != 0 {
		p.t.Fatalf("the balances and what is in flight differ by %s from what came from outside\npending: %+v", sum, p.pending)
	}
}

// inFlight returns what has left one account for the transfer and reached none.
func (p *pair) inFlight(id string) int64 {
	left, arrived := false, false
	switch p.transfer(id).Status {
	case transfer.StatusDebited, transfer.StatusReturning:
		left = true
	}
	for _, d := range p.pending {
		if d.aggregate != "transfer" || d.id != id || p.executed[d.commandID] {
			continue
		}
		switch d.command.(type) {
		case transfer.ConfirmDebit:
			left = true
		case transfer.ConfirmCredit, transfer.ConfirmRefund:
			arrived = true
		}
	}
	if left && !arrived {
		return p.transfer(id).Amount
	}
	return 0
}

// settled checks what must hold once no policy has anything left to do: every transfer is in a
// final state, and each balance is what came from outside and by completed transfers.
func (p *pair) settled(requested []string, ends map[transfer.Status]int) {
	t := p.t
	want := map[string]*big.Int{}
	for id, sum := range p.external {
		want[id] = new(big.Int).Set(sum)
	}
	for _, id := range requested {
		tr := p.transfer(id)
		if tr.Status == transfer.StatusNone {
			continue // the request was refused
		}
		if !tr.Status.Final() {
			t.Fatalf("transfer %s: %+v: nothing is left to do, and it is not in a final state", id, tr)
		}
		ends[tr.Status]++
		if (tr.Status == transfer.StatusCompleted) != (tr.Reason == "") {
			t.Fatalf("transfer %s: %+v: a reason is given exactly where it was not completed", id, tr)
		}
		if tr.Status == transfer.StatusCompleted {
			want[tr.From].Sub(want[tr.From], big.NewInt(tr.Amount))
			want[tr.To].Add(want[tr.To], big.NewInt(tr.Amount))
		}
	}
	for _, id := range accountIDs {
		if have := p.account(id).Balance; want[id].Cmp(big.NewInt(have)) != 0 {
			t.Fatalf("account %s: the balance is %d; by what was paid in, taken out and transferred it is %s", id, have, want[id])
		}
	}
}
