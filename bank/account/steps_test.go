package account_test

import (
	"math"
	"strings"
	"testing"

	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/bank/rules"
)

// The steps of a transfer: debit, credit, refund.

func debit(amount int64, currency string) account.Debit {
	return account.Debit{TransferID: "t-1", Counterparty: "bob", Amount: amount, Currency: currency}
}

func credit(amount int64, currency string) account.Credit {
	return account.Credit{TransferID: "t-1", Counterparty: "bob", Amount: amount, Currency: currency}
}

func refund(amount int64, currency string) account.Refund {
	return account.Refund{TransferID: "t-1", Counterparty: "bob", Amount: amount, Currency: currency}
}

func debitDeclined(d account.Debit, reason string) account.DebitDeclined {
	return account.DebitDeclined{HolderID: "ann", HolderName: "Ann", TransferID: "t-1", Counterparty: "bob", Amount: d.Amount, Currency: d.Currency, Reason: reason}
}

func creditDeclined(c account.Credit, reason string) account.CreditDeclined {
	return account.CreditDeclined{HolderID: "ann", HolderName: "Ann", TransferID: "t-1", Counterparty: "bob", Amount: c.Amount, Currency: c.Currency, Reason: reason}
}

func TestDebit(t *testing.T) {
	given(t, 50, paidIn(10)).
		When(debit(60, "EUR")).Then(account.Debited{HolderID: "ann", HolderName: "Ann", TransferID: "t-1", Counterparty: "bob", Amount: 60, Currency: "EUR"}).
		ThenState(account.Account{Status: account.StatusOpen, HolderID: "ann", HolderName: "Ann", Currency: "EUR", OverdraftLimit: 50, Balance: -50}).
		When(debit(1, "EUR")).Then(debitDeclined(debit(1, "EUR"), "insufficient_funds")).
		ThenState(account.Account{Status: account.StatusOpen, HolderID: "ann", HolderName: "Ann", Currency: "EUR", OverdraftLimit: 50, Balance: -50})
}

func TestDebitDeclined(t *testing.T) {
	for _, c := range []struct {
		reason string
		given  []account.Event
		debit  account.Debit
	}{
		{"account_closed", []account.Event{closed}, debit(1, "EUR")},
		{"account_frozen", []account.Event{paidIn(1), frozen}, debit(1, "EUR")},
		{"currency_mismatch", []account.Event{paidIn(1)}, debit(1, "USD")},
		{"amount_not_positive", []account.Event{paidIn(1)}, debit(0, "EUR")},
		{"amount_not_positive", []account.Event{paidIn(1)}, debit(math.MinInt64, "EUR")},
		{"amount_overflow", []account.Event{paidIn(1 << 62)}, debit(rules.MaxAmount+1, "EUR")},
		{"insufficient_funds", nil, debit(1, "EUR")},
	} {
		t.Run(c.reason, func(t *testing.T) {
			given(t, 0, c.given...).When(c.debit).Then(debitDeclined(c.debit, c.reason))
		})
	}
	given(t, -1, tookOut(1<<62)).When(debit(1, "EUR")).Then(debitDeclined(debit(1, "EUR"), "amount_overflow"))
	nothing(t).When(debit(1, "EUR")).
		Then(account.DebitDeclined{TransferID: "t-1", Counterparty: "bob", Amount: 1, Currency: "EUR", Reason: "unknown_aggregate"})
}

func TestCredit(t *testing.T) {
	given(t, 0, paidIn(1<<62-1)).
		When(credit(1, "EUR")).Then(account.Credited{HolderID: "ann", HolderName: "Ann", TransferID: "t-1", Counterparty: "bob", Amount: 1, Currency: "EUR"}).
		ThenState(account.Account{Status: account.StatusOpen, HolderID: "ann", HolderName: "Ann", Currency: "EUR", Balance: 1 << 62}).
		When(credit(1, "EUR")).Then(creditDeclined(credit(1, "EUR"), "amount_overflow"))
}

func TestCreditDeclined(t *testing.T) {
	for _, c := range []struct {
		reason string
		given  []account.Event
		credit account.Credit
	}{
		{"account_closed", []account.Event{closed}, credit(1, "EUR")},
		{"account_frozen", []account.Event{frozen}, credit(1, "EUR")},
		{"currency_mismatch", nil, credit(1, "USD")},
		{"amount_not_positive", nil, credit(-1, "EUR")},
		{"amount_overflow", nil, credit(rules.MaxAmount+1, "EUR")},
		{"amount_overflow", []account.Event{paidIn(1 << 62), cameBack(1<<62 - 1)}, credit(rules.MaxAmount, "EUR")},
	} {
		t.Run(c.reason, func(t *testing.T) {
			given(t, 0, c.given...).When(c.credit).Then(creditDeclined(c.credit, c.reason))
		})
	}
	nothing(t).When(credit(1, "EUR")).
		Then(account.CreditDeclined{TransferID: "t-1", Counterparty: "bob", Amount: 1, Currency: "EUR", Reason: "unknown_aggregate"})
}

func TestRefundInAnyStatus(t *testing.T) {
	refunded := account.Refunded{HolderID: "ann", HolderName: "Ann", TransferID: "t-1", Counterparty: "bob", Amount: 7, Currency: "EUR"}
	for status, events := range map[account.Status][]account.Event{
		account.StatusOpen: nil, account.StatusFrozen: {frozen}, account.StatusClosed: {closed},
	} {
		t.Run(string(status), func(t *testing.T) {
			given(t, 0, events...).When(refund(7, "EUR")).Then(refunded).
				ThenState(account.Account{Status: status, HolderID: "ann", HolderName: "Ann", Currency: "EUR", Balance: 7})
		})
	}
}

func TestRefundRefused(t *testing.T) {
	nothing(t).When(refund(1, "EUR")).ThenRejected("unknown_aggregate")
	given(t, 0).When(refund(1, "USD")).ThenRejected("currency_mismatch")
	given(t, 0).When(refund(0, "EUR")).ThenRejected("amount_not_positive")
	given(t, 0).When(refund(rules.MaxAmount+1, "EUR")).ThenRejected("amount_overflow")
	given(t, 0, paidIn(1<<62), cameBack(1<<62-2)).
		When(refund(2, "EUR")).ThenRejected("amount_overflow").
		When(refund(1, "EUR")).Then(account.Refunded{HolderID: "ann", HolderName: "Ann", TransferID: "t-1", Counterparty: "bob", Amount: 1, Currency: "EUR"}).
		ThenState(account.Account{Status: account.StatusOpen, HolderID: "ann", HolderName: "Ann", Currency: "EUR", Balance: math.MaxInt64}).
		When(refund(1, "EUR")).ThenRejected("amount_overflow")
}

func TestFieldsOfSteps(t *testing.T) {
	for _, c := range []struct{ transfer, counterparty, currency, field string }{
		{"", "b", "EUR", "transfer_id"},
		{"t t", "b", "EUR", "transfer_id"},
		{"__t", "b", "EUR", "transfer_id"},
		{"t", "..", "EUR", "counterparty"},
		{"t", strings.Repeat("b", 201), "EUR", "counterparty"},
		{"t", "b", "EUr", "currency"},
	} {
		given(t, 0).
			When(account.Debit{TransferID: c.transfer, Counterparty: c.counterparty, Amount: 1, Currency: c.currency}).ThenInvalid(c.field).
			When(account.Credit{TransferID: c.transfer, Counterparty: c.counterparty, Amount: 1, Currency: c.currency}).ThenInvalid(c.field).
			When(account.Refund{TransferID: c.transfer, Counterparty: c.counterparty, Amount: 1, Currency: c.currency}).ThenInvalid(c.field)
	}
}
