package account

import (
	"cmp"
	"math"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/rules"
)

// Reasons to refuse a command: Validate needs no state; the functions after it look at the account.

// Validate implements [foldlog.Validator].
func (c Open) Validate() error {
	return cmp.Or(
		rules.CheckHolderID("holder_id", c.HolderID),
		rules.CheckHolderName("holder_name", c.HolderName),
		rules.CheckCurrency("currency", c.Currency),
		rules.CheckOverdraftLimit("overdraft_limit", c.OverdraftLimit),
	)
}

// Validate implements [foldlog.Validator].
func (c Deposit) Validate() error { return checkCash(c.Currency, c.Reference, c.BookedOn, c.Channel) }

// Validate implements [foldlog.Validator].
func (c Withdraw) Validate() error { return checkCash(c.Currency, c.Reference, c.BookedOn, c.Channel) }

// Validate implements [foldlog.Validator].
func (c Freeze) Validate() error { return checkReason(c.Reason) }

// Validate implements [foldlog.Validator].
func (c Unfreeze) Validate() error { return checkReason(c.Reason) }

// Validate implements [foldlog.Validator].
func (c Close) Validate() error { return checkReason(c.Reason) }

// Validate implements [foldlog.Validator].
func (c Debit) Validate() error { return checkStep(c.TransferID, c.Counterparty, c.Currency) }

// Validate implements [foldlog.Validator].
func (c Credit) Validate() error { return checkStep(c.TransferID, c.Counterparty, c.Currency) }

// Validate implements [foldlog.Validator].
func (c Refund) Validate() error { return checkStep(c.TransferID, c.Counterparty, c.Currency) }

func checkCash(currency, reference string, bookedOn *string, channel string) error {
	return cmp.Or(
		rules.CheckCurrency("currency", currency),
		rules.CheckText("reference", reference, rules.MaxReferenceLength),
		rules.CheckDate("booked_on", bookedOn),
		rules.CheckText("channel", channel, rules.MaxChannelLength),
	)
}

func checkReason(reason string) error {
	return rules.CheckText("reason", reason, rules.MaxReasonLength)
}

func checkStep(transferID, counterparty, currency string) error {
	return cmp.Or(
		rules.CheckID("transfer_id", transferID),
		rules.CheckID("counterparty", counterparty),
		rules.CheckCurrency("currency", currency),
	)
}

func (a Account) refuseUnlessOpen() *foldlog.Rejection {
	switch a.Status {
	case StatusOpen:
		return nil
	case StatusClosed:
		return foldlog.Reject(rules.CodeAccountClosed, "the account is closed")
	case StatusFrozen:
		return foldlog.Reject(rules.CodeAccountFrozen, "the account is frozen; unfreeze it first")
	}
	return foldlog.Reject(rules.CodeUnknownAggregate, "there is no such account; open it first")
}

func (a Account) refuseMoney(amount int64, currency string) *foldlog.Rejection {
	if currency != a.Currency {
		return foldlog.Reject(rules.CodeCurrencyMismatch, "the account is kept in %s, not in %s", a.Currency, currency)
	}
	return rules.RefuseAmount(amount)
}

// refuseIncoming returns why a deposit or credit cannot be done, or nil.
func (a Account) refuseIncoming(amount int64, currency string) *foldlog.Rejection {
	if r := a.refuseUnlessOpen(); r != nil {
		return r
	}
	if r := a.refuseMoney(amount, currency); r != nil {
		return r
	}
	// the sum itself could wrap around: a refund may have lifted the balance to 2^63-1
	if a.Balance > rules.MaxBalance-amount {
		return foldlog.Reject(rules.CodeAmountOverflow, "the balance would rise above 2^62")
	}
	return nil
}

// refuseOutgoing returns why a withdrawal or debit cannot be done, or nil.
func (a Account) refuseOutgoing(amount int64, currency string) *foldlog.Rejection {
	if r := a.refuseUnlessOpen(); r != nil {
		return r
	}
	if r := a.refuseMoney(amount, currency); r != nil {
		return r
	}
	if a.Balance < -rules.MaxBalance+amount {
		return foldlog.Reject(rules.CodeAmountOverflow, "the balance would fall below -2^62")
	}
	if a.OverdraftLimit != rules.UnlimitedOverdraft && a.Balance-amount < -a.OverdraftLimit {
		return foldlog.Reject(rules.CodeInsufficientFunds, "the balance of %d %s and the overdraft limit of %d do not cover %d",
			a.Balance, a.Currency, a.OverdraftLimit, amount)
	}
	return nil
}

// refuseRefund returns why a refund cannot be taken, or nil. The money was debited here, so neither
// a freeze nor the end of the account stands against it.
func (a Account) refuseRefund(amount int64, currency string) *foldlog.Rejection {
	if a.Status == StatusNone {
		return a.refuseUnlessOpen()
	}
	if r := a.refuseMoney(amount, currency); r != nil {
		return r
	}
	if a.Balance > math.MaxInt64-amount {
		return foldlog.Reject(rules.CodeAmountOverflow, "the balance would rise above 2^63-1; withdraw something and send the refund again")
	}
	return nil
}
