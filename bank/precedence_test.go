package bank_test

import (
	"strings"
	"testing"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/bank/rules"
	"github.com/foldlog/foldlog/bank/transfer"
	"github.com/foldlog/foldlog/scenario"
)

// situation is a command and the events before it.
type situation struct {
	given   []any
	command any
}

// TestPrecedenceOfCodes has a row for every pair of codes that can apply at once and have none
// between them that could: in both, the first is given; in repaired, where only the cause of the
// first is gone, the second is. Pairs that are missing exclude each other (an account is not both
// closed and frozen) or belong to different commands.
func TestPrecedenceOfCodes(t *testing.T) {
	opened := account.Opened{HolderID: "ann", HolderName: "Ann", Currency: "EUR"}
	frozen, closed := account.Frozen{HolderID: "ann", HolderName: "Ann"}, account.Closed{HolderID: "ann", HolderName: "Ann"}
	paidIn := func(amount int64) any {
		return account.Deposited{HolderID: "ann", HolderName: "Ann", Amount: amount, Currency: "EUR", Channel: account.ChannelUnknown}
	}
	cameBack := account.Refunded{HolderID: "ann", HolderName: "Ann", TransferID: "t", Counterparty: "b", Amount: 1<<62 - 1, Currency: "EUR"}
	requested := transfer.Requested{From: "ann", To: "bob", Amount: 5, Currency: "EUR"}
	deposit := func(amount int64, currency string) any { return account.Deposit{Amount: amount, Currency: currency} }
	withdraw := func(amount int64, currency string) any { return account.Withdraw{Amount: amount, Currency: currency} }
	refund := func(amount int64, currency string) any {
		return account.Refund{TransferID: "t", Counterparty: "b", Amount: amount, Currency: currency}
	}
	request := func(to string, amount int64) any {
		return transfer.Request{From: "ann", To: to, Amount: amount, Currency: "EUR"}
	}
	long := strings.Repeat("x", 501)

	for _, c := range []struct {
		first, second  string
		both, repaired situation
	}{
		{"invalid_field", "unknown_aggregate",
			situation{nil, deposit(1, "eur")}, situation{nil, deposit(1, "EUR")}},
		{"invalid_field", "already_exists",
			situation{[]any{opened}, account.Open{Currency: "EUR"}}, situation{[]any{opened}, account.Open{HolderID: "ann", HolderName: "Ann", Currency: "EUR"}}},
		{"invalid_field", "account_closed",
			situation{[]any{opened, closed}, account.Freeze{Reason: long}}, situation{[]any{opened, closed}, account.Freeze{}}},
		{"invalid_field", "wrong_state",
			situation{[]any{opened}, account.Unfreeze{Reason: long}}, situation{[]any{opened}, account.Unfreeze{}}},
		{"unknown_aggregate", "currency_mismatch",
			situation{nil, withdraw(1, "USD")}, situation{[]any{opened}, withdraw(1, "USD")}},
		{"unknown_aggregate", "wrong_state",
			situation{nil, account.Unfreeze{}}, situation{[]any{opened}, account.Unfreeze{}}},
		// opening is no use for a closed account; the other commands say closed
		{"already_exists", "account_closed",
			situation{[]any{opened, closed}, account.Open{HolderID: "ann", HolderName: "Ann", Currency: "EUR"}}, situation{[]any{opened, closed}, account.Close{}}},
		{"already_exists", "account_frozen",
			situation{[]any{opened, frozen}, account.Open{HolderID: "ann", HolderName: "Ann", Currency: "EUR"}}, situation{[]any{opened, frozen}, account.Freeze{}}},
		{"account_closed", "currency_mismatch",
			situation{[]any{opened, closed}, deposit(1, "USD")}, situation{[]any{opened}, deposit(1, "USD")}},
		{"account_closed", "balance_not_zero", // a refund came after the end
			situation{[]any{opened, closed, cameBack}, account.Close{}}, situation{[]any{opened, cameBack}, account.Close{}}},
		{"account_frozen", "currency_mismatch",
			situation{[]any{opened, frozen}, withdraw(1, "USD")}, situation{[]any{opened}, withdraw(1, "USD")}},
		{"account_frozen", "balance_not_zero",
			situation{[]any{opened, paidIn(1), frozen}, account.Close{}}, situation{[]any{opened, paidIn(1)}, account.Close{}}},
		{"currency_mismatch", "amount_not_positive",
			situation{[]any{opened}, deposit(0, "USD")}, situation{[]any{opened}, deposit(0, "EUR")}},
		{"currency_mismatch", "amount_not_positive",
			situation{[]any{opened}, refund(0, "USD")}, situation{[]any{opened}, refund(0, "EUR")}},
		{"currency_mismatch", "amount_overflow",
			situation{[]any{opened}, deposit(rules.MaxAmount+1, "USD")}, situation{[]any{opened}, deposit(rules.MaxAmount+1, "EUR")}},
		{"amount_not_positive", "amount_overflow", // nothing can be paid in at this balance
			situation{[]any{opened, paidIn(1 << 62), cameBack}, deposit(0, "EUR")}, situation{[]any{opened, paidIn(1 << 62), cameBack}, deposit(1, "EUR")}},
		{"amount_overflow", "insufficient_funds",
			situation{[]any{opened}, withdraw(rules.MaxAmount+1, "EUR")}, situation{[]any{opened}, withdraw(rules.MaxAmount, "EUR")}},
		{"invalid_field", "amount_not_positive",
			situation{nil, request("b b", 0)}, situation{nil, request("bob", 0)}},
		{"amount_not_positive", "same_account",
			situation{nil, request("ann", 0)}, situation{nil, request("ann", 1)}},
		{"amount_overflow", "same_account",
			situation{nil, request("ann", rules.MaxAmount+1)}, situation{nil, request("ann", rules.MaxAmount)}},
		{"same_account", "wrong_state",
			situation{[]any{requested}, request("ann", 1)}, situation{[]any{requested}, request("bob", 1)}},
		{"invalid_field", "wrong_state",
			situation{nil, transfer.ConfirmDebit{Reason: long}}, situation{nil, transfer.ConfirmDebit{}}},
	} {
		t.Run(c.first+" before "+c.second, func(t *testing.T) {
			if place(c.first) >= place(c.second) {
				t.Fatalf("the row claims another order than %v", rules.Precedence())
			}
			decide(t, c.both).ThenRejected(c.first)
			decide(t, c.repaired).ThenRejected(c.second)
			// The answers to transfers follow the same order.
			if w, ok := c.both.command.(account.Withdraw); ok && c.first != "invalid_field" {
				d := account.Debit{TransferID: "t", Counterparty: "b", Amount: w.Amount, Currency: w.Currency}
				decide(t, situation{c.both.given, d}).Then(account.DebitDeclined{HolderID: holder(c.both).HolderID, HolderName: holder(c.both).HolderName, TransferID: "t", Counterparty: "b",
					Amount: w.Amount, Currency: w.Currency, Reason: c.first})
			}
			if p, ok := c.both.command.(account.Deposit); ok && c.first != "invalid_field" {
				d := account.Credit{TransferID: "t", Counterparty: "b", Amount: p.Amount, Currency: p.Currency}
				decide(t, situation{c.both.given, d}).Then(account.CreditDeclined{HolderID: holder(c.both).HolderID, HolderName: holder(c.both).HolderName, TransferID: "t", Counterparty: "b",
					Amount: p.Amount, Currency: p.Currency, Reason: c.first})
			}
		})
	}
}

// decide has the aggregate that declares the command decide it, as the engine would.
func decide(t *testing.T, s situation) *scenario.Decided[any, any, any] {
	t.Helper()
	for _, a := range bank.Topology().Aggregates {
		if _, ok := a.CommandOf(s.command); ok {
			return scenario.Decider(t, a.Decider).Given(s.given...).When(s.command)
		}
	}
	t.Fatalf("no aggregate declares %T", s.command)
	return nil
}

// holder returns the event that says who holds the account; the zero value if none does.
func holder(s situation) account.Opened {
	for _, e := range s.given {
		if o, ok := e.(account.Opened); ok {
			return o
		}
	}
	return account.Opened{}
}

func place(code string) int {
	for i, c := range rules.Precedence() {
		if c == code {
			return i
		}
	}
	return -1
}

// TestPrecedenceIsThatOfTheContract keeps the list itself from changing by accident.
func TestPrecedenceIsThatOfTheContract(t *testing.T) {
	want := "invalid_field unknown_aggregate already_exists account_closed account_frozen currency_mismatch amount_not_positive " +
		"amount_overflow insufficient_funds balance_not_zero same_account wrong_state"
	if got := strings.Join(rules.Precedence(), " "); got != want {
		t.Errorf("the order is %s, want %s", got, want)
	}
	if rules.Precedence()[0] != foldlog.CodeInvalidField {
		t.Error("what the engine finds comes before what the decider finds")
	}
}
