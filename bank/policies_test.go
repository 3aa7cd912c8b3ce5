package bank_test

import (
	"testing"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/bank/transfer"
	"github.com/foldlog/foldlog/scenario"
)

func TestTransferSteps(t *testing.T) {
	p := scenario.Policy(t, bank.TransferSteps()).With(scenario.ID("t-1"))
	p.When(transfer.Requested{From: "ann", To: "bob", Amount: 5, Currency: "EUR", Reference: "lunch"}).
		ThenSends(foldlog.Send{Aggregate: "account", ID: "ann",
			Command: account.Debit{TransferID: "t-1", Counterparty: "bob", Amount: 5, Currency: "EUR"}})
	p.When(transfer.Debited{From: "ann", To: "bob", Amount: 5, Currency: "EUR"}).
		ThenSends(foldlog.Send{Aggregate: "account", ID: "bob",
			Command: account.Credit{TransferID: "t-1", Counterparty: "ann", Amount: 5, Currency: "EUR"}})
	p.When(transfer.Returning{From: "ann", To: "bob", Amount: 5, Currency: "EUR", Reason: "account_frozen"}).
		ThenSends(foldlog.Send{Aggregate: "account", ID: "ann",
			Command: account.Refund{TransferID: "t-1", Counterparty: "bob", Amount: 5, Currency: "EUR"}})
	for _, final := range []transfer.Event{transfer.Refused{}, transfer.Completed{}, transfer.Returned{}} {
		p.When(final).ThenSendsNothing()
	}
}

func TestTransferReplies(t *testing.T) {
	p := scenario.Policy(t, bank.TransferReplies()).With(scenario.ID("ann"))
	for _, c := range []struct {
		event account.Event
		reply transfer.Command
	}{
		{account.Debited{TransferID: "t-1"}, transfer.ConfirmDebit{}},
		{account.DebitDeclined{TransferID: "t-1", Reason: "insufficient_funds"}, transfer.DeclineDebit{Reason: "insufficient_funds"}},
		{account.Credited{TransferID: "t-1"}, transfer.ConfirmCredit{}},
		{account.CreditDeclined{TransferID: "t-1", Reason: "account_closed"}, transfer.DeclineCredit{Reason: "account_closed"}},
		{account.Refunded{TransferID: "t-1"}, transfer.ConfirmRefund{}},
	} {
		p.When(c.event).ThenSends(foldlog.Send{Aggregate: "transfer", ID: "t-1", Command: c.reply})
	}
	for _, other := range []account.Event{
		account.Opened{}, account.Deposited{}, account.Withdrawn{}, account.Frozen{}, account.Unfrozen{}, account.Closed{},
	} {
		p.When(other).ThenSendsNothing()
	}
}
