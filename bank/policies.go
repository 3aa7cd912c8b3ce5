package bank

import (
	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/bank/transfer"
)

// TransferSteps returns the policy that asks an account to do the next step of a transfer.
func TransferSteps() foldlog.Policy[transfer.Event] {
	return foldlog.Policy[transfer.Event]{React: stepTransfer}
}

// TransferReplies returns the policy that tells a transfer an account's answer.
func TransferReplies() foldlog.Policy[account.Event] {
	return foldlog.Policy[account.Event]{React: replyToTransfer}
}

func stepTransfer(event foldlog.Event[transfer.Event]) []foldlog.Send {
	id := event.AggregateID
	switch e := event.Data.(type) {
	case transfer.Requested:
		return toAccount(e.From, account.Debit{TransferID: id, Counterparty: e.To, Amount: e.Amount, Currency: e.Currency})
	case transfer.Debited:
		return toAccount(e.To, account.Credit{TransferID: id, Counterparty: e.From, Amount: e.Amount, Currency: e.Currency})
	case transfer.Returning:
		return toAccount(e.From, account.Refund{TransferID: id, Counterparty: e.To, Amount: e.Amount, Currency: e.Currency})
	case transfer.Refused, transfer.Completed, transfer.Returned: // final
		return nil
	}
	panic(foldlog.Unhandled(event.Data))
}

func replyToTransfer(event foldlog.Event[account.Event]) []foldlog.Send {
	switch e := event.Data.(type) {
	case account.Debited:
		return toTransfer(e.TransferID, transfer.ConfirmDebit{})
	case account.DebitDeclined:
		return toTransfer(e.TransferID, transfer.DeclineDebit{Reason: e.Reason})
	case account.Credited:
		return toTransfer(e.TransferID, transfer.ConfirmCredit{})
	case account.CreditDeclined:
		return toTransfer(e.TransferID, transfer.DeclineCredit{Reason: e.Reason})
	case account.Refunded:
		return toTransfer(e.TransferID, transfer.ConfirmRefund{})
	// no transfer's business
	case account.Opened, account.Deposited, account.Withdrawn, account.Frozen, account.Unfrozen, account.Closed:
		return nil
	}
	panic(foldlog.Unhandled(event.Data))
}

func toAccount(id string, command account.Command) []foldlog.Send {
	return []foldlog.Send{{Aggregate: AccountAggregate, ID: id, Command: command}}
}

func toTransfer(id string, command transfer.Command) []foldlog.Send {
	return []foldlog.Send{{Aggregate: TransferAggregate, ID: id, Command: command}}
}
