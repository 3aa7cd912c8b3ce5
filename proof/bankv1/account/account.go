package account

import (
	"cmp"
	"math"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/rules"
)

// Command is what can be asked of an account.
type Command interface{ isCommand() }

// Open opens the account. Codes: already_exists.
type Open struct {
	// Holder is who the account belongs to: 1 to 200 characters.
	Holder string `json:"holder"`
	// Currency is the account's for ever: an ISO 4217 code.
	Currency string `json:"currency"`
	// OverdraftLimit is how far the balance may fall below zero, in minor units; -1 is without
	// limit.
	OverdraftLimit int64 `json:"overdraft_limit"`
}

// Deposit pays money in. Codes: unknown_aggregate, account_closed, account_frozen,
// currency_mismatch, amount_not_positive, amount_overflow.
type Deposit struct {
	// Amount is in minor units: 1 to 10^15.
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	// Reference is free text of at most 200 characters.
	Reference string `json:"reference"`
	// BookedOn is the business day as YYYY-MM-DD; nil is the day on which the command is recorded.
	BookedOn *string `json:"booked_on"`
}

// Withdraw takes money out. Codes: those of Deposit, then insufficient_funds.
type Withdraw struct {
	// Amount is in minor units: 1 to 10^15.
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	// Reference is free text of at most 200 characters.
	Reference string `json:"reference"`
	// BookedOn is the business day as YYYY-MM-DD; nil is the day on which the command is recorded.
	BookedOn *string `json:"booked_on"`
}

// Freeze stops all movements but refunds until Unfreeze. Codes: unknown_aggregate, account_closed,
// account_frozen.
type Freeze struct {
	Reason string `json:"reason"`
}

// Unfreeze ends a Freeze. Codes: unknown_aggregate, account_closed, wrong_state.
type Unfreeze struct {
	Reason string `json:"reason"`
}

// Close ends the account for ever. Codes: unknown_aggregate, account_closed, account_frozen,
// balance_not_zero.
type Close struct {
	Reason string `json:"reason"`
}

// Debit takes a transfer's money out. What cannot be done is answered by DebitDeclined. Policies
// send it.
type Debit struct {
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
}

// Credit pays a transfer's money in. What cannot be done is answered by CreditDeclined. Policies
// send it.
type Credit struct {
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
}

// Refund pays back what was debited for a transfer whose other account declined, whatever became of
// the account since. Policies send it. Codes, for what hardly a transfer can cause:
// unknown_aggregate, currency_mismatch, amount_not_positive, amount_overflow (a balance above
// 2^63-1: the command is a dead letter, to be sent again when something was withdrawn).
type Refund struct {
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
}

func (Open) isCommand()     {}
func (Deposit) isCommand()  {}
func (Withdraw) isCommand() {}
func (Freeze) isCommand()   {}
func (Unfreeze) isCommand() {}
func (Close) isCommand()    {}
func (Debit) isCommand()    {}
func (Credit) isCommand()   {}
func (Refund) isCommand()   {}

// Validate implements [foldlog.Validator].
func (c Open) Validate() error {
	return cmp.Or(
		rules.CheckHolderID("holder", c.Holder),
		rules.CheckCurrency("currency", c.Currency),
		rules.CheckOverdraftLimit("overdraft_limit", c.OverdraftLimit),
	)
}

// Validate implements [foldlog.Validator].
func (c Deposit) Validate() error { return checkCash(c.Currency, c.Reference, c.BookedOn) }

// Validate implements [foldlog.Validator].
func (c Withdraw) Validate() error { return checkCash(c.Currency, c.Reference, c.BookedOn) }

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

func checkCash(currency, reference string, bookedOn *string) error {
	return cmp.Or(
		rules.CheckCurrency("currency", currency),
		rules.CheckText("reference", reference, rules.MaxReferenceLength),
		rules.CheckDate("booked_on", bookedOn),
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

// Event is what can have happened to an account.
type Event interface{ isEvent() }

// Opened says that the account exists.
type Opened struct {
	Holder         string `json:"holder"`
	Currency       string `json:"currency"`
	OverdraftLimit int64  `json:"overdraft_limit"`
}

// Deposited says that money was paid in.
type Deposited struct {
	Holder    string  `json:"holder"`
	Amount    int64   `json:"amount"`
	Currency  string  `json:"currency"`
	Reference string  `json:"reference"`
	BookedOn  *string `json:"booked_on"`
}

// Withdrawn says that money was taken out.
type Withdrawn struct {
	Holder    string  `json:"holder"`
	Amount    int64   `json:"amount"`
	Currency  string  `json:"currency"`
	Reference string  `json:"reference"`
	BookedOn  *string `json:"booked_on"`
}

// Frozen says that movements are stopped.
type Frozen struct {
	Holder string `json:"holder"`
	Reason string `json:"reason"`
}

// Unfrozen says that movements are possible again.
type Unfrozen struct {
	Holder string `json:"holder"`
	Reason string `json:"reason"`
}

// Closed says that the account has ended.
type Closed struct {
	Holder string `json:"holder"`
	Reason string `json:"reason"`
}

// Debited says that a transfer's money left the account and is in flight.
type Debited struct {
	Holder       string `json:"holder"`
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
}

// DebitDeclined says that a transfer's money did not leave the account, and why.
type DebitDeclined struct {
	Holder       string `json:"holder"`
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
	// Reason is the code of a refusal.
	Reason string `json:"reason"`
}

// Credited says that a transfer's money arrived.
type Credited struct {
	Holder       string `json:"holder"`
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
}

// CreditDeclined says that a transfer's money was not taken in, and why. It is still in flight.
type CreditDeclined struct {
	Holder       string `json:"holder"`
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
	// Reason is the code of a refusal.
	Reason string `json:"reason"`
}

// Refunded says that a transfer's money came back.
type Refunded struct {
	Holder       string `json:"holder"`
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
}

func (Opened) isEvent()         {}
func (Deposited) isEvent()      {}
func (Withdrawn) isEvent()      {}
func (Frozen) isEvent()         {}
func (Unfrozen) isEvent()       {}
func (Closed) isEvent()         {}
func (Debited) isEvent()        {}
func (DebitDeclined) isEvent()  {}
func (Credited) isEvent()       {}
func (CreditDeclined) isEvent() {}
func (Refunded) isEvent()       {}

// Status is what an account can take part in.
//
// NB: must not change. States and views contain it.
type Status string

// Statuses of an account.
const (
	// StatusNone is that of an account that was never opened.
	StatusNone Status = "none"
	// StatusOpen takes every movement.
	StatusOpen Status = "open"
	// StatusFrozen takes refunds only, until it is open again.
	StatusFrozen Status = "frozen"
	// StatusClosed takes refunds only, for ever.
	StatusClosed Status = "closed"
)

// Account is the state of an account.
type Account struct {
	Status   Status `json:"status"`
	Holder   string `json:"holder"`
	Currency string `json:"currency"`
	// OverdraftLimit is how far the balance may fall below zero, in minor units; -1 is without
	// limit.
	OverdraftLimit int64 `json:"overdraft_limit"`
	// Balance is in minor units; negative if the holder owes money.
	Balance int64 `json:"balance"`
}

// Initial returns the account before its first event.
func Initial() Account { return Account{Status: StatusNone} }

// Decider returns the aggregate's three functions.
func Decider() foldlog.Decider[Account, Command, Event] {
	return foldlog.Decider[Account, Command, Event]{Initial: Initial, Decide: Decide, Evolve: Evolve}
}

// Decide returns what the command causes, or the refusal whose code comes first in
// [rules.Precedence].
func Decide(a Account, command foldlog.Command[Command]) ([]Event, error) {
	switch c := command.Data.(type) {
	case Open:
		if a.Status != StatusNone {
			return reject(foldlog.Reject(rules.CodeAlreadyExists, "the account was opened before; it is %s", a.Status))
		}
		return accept(Opened(c))
	case Deposit:
		if r := a.refuseIncoming(c.Amount, c.Currency); r != nil {
			return reject(r)
		}
		return accept(Deposited{Holder: a.Holder, Amount: c.Amount, Currency: c.Currency, Reference: c.Reference, BookedOn: c.BookedOn})
	case Withdraw:
		if r := a.refuseOutgoing(c.Amount, c.Currency); r != nil {
			return reject(r)
		}
		return accept(Withdrawn{Holder: a.Holder, Amount: c.Amount, Currency: c.Currency, Reference: c.Reference, BookedOn: c.BookedOn})
	case Freeze:
		if r := a.refuseUnlessOpen(); r != nil {
			return reject(r)
		}
		return accept(Frozen{Holder: a.Holder, Reason: c.Reason})
	case Unfreeze:
		switch a.Status {
		case StatusFrozen:
			return accept(Unfrozen{Holder: a.Holder, Reason: c.Reason})
		case StatusOpen:
			return reject(foldlog.Reject(rules.CodeWrongState, "the account is open; only a frozen one can be unfrozen"))
		}
		return reject(a.refuseUnlessOpen())
	case Close:
		if r := a.refuseUnlessOpen(); r != nil {
			return reject(r)
		}
		if a.Balance != 0 {
			return reject(foldlog.Reject(rules.CodeBalanceNotZero, "the balance is %d %s; bring it to 0 first", a.Balance, a.Currency))
		}
		return accept(Closed{Holder: a.Holder, Reason: c.Reason})
	case Debit:
		if r := a.refuseOutgoing(c.Amount, c.Currency); r != nil {
			return accept(DebitDeclined{Holder: a.Holder, TransferID: c.TransferID, Counterparty: c.Counterparty, Amount: c.Amount,
				Currency: c.Currency, Reason: r.Code})
		}
		return accept(Debited{Holder: a.Holder, TransferID: c.TransferID, Counterparty: c.Counterparty, Amount: c.Amount, Currency: c.Currency})
	case Credit:
		if r := a.refuseIncoming(c.Amount, c.Currency); r != nil {
			return accept(CreditDeclined{Holder: a.Holder, TransferID: c.TransferID, Counterparty: c.Counterparty, Amount: c.Amount,
				Currency: c.Currency, Reason: r.Code})
		}
		return accept(Credited{Holder: a.Holder, TransferID: c.TransferID, Counterparty: c.Counterparty, Amount: c.Amount, Currency: c.Currency})
	case Refund:
		if r := a.refuseRefund(c.Amount, c.Currency); r != nil {
			return reject(r)
		}
		return accept(Refunded{Holder: a.Holder, TransferID: c.TransferID, Counterparty: c.Counterparty, Amount: c.Amount, Currency: c.Currency})
	}
	return nil, foldlog.Unhandled(command.Data)
}

// Evolve returns the account after the event.
func Evolve(a Account, event foldlog.Event[Event]) Account {
	switch e := event.Data.(type) {
	case Opened:
		a.Status, a.Holder, a.Currency, a.OverdraftLimit = StatusOpen, e.Holder, e.Currency, e.OverdraftLimit
	case Deposited:
		a.Balance += e.Amount
	case Withdrawn:
		a.Balance -= e.Amount
	case Frozen:
		a.Status = StatusFrozen
	case Unfrozen:
		a.Status = StatusOpen
	case Closed:
		a.Status = StatusClosed
	case Debited:
		a.Balance -= e.Amount
	case Credited:
		a.Balance += e.Amount
	case Refunded:
		a.Balance += e.Amount
	case DebitDeclined, CreditDeclined: // said for the transfer's sake; nothing moved
	default:
		panic(foldlog.Unhandled(event.Data))
	}
	return a
}

func accept(events ...Event) ([]Event, error) { return events, nil }

func reject(r *foldlog.Rejection) ([]Event, error) { return nil, r }

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
