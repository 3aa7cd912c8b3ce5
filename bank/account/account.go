package account

import (
	"cmp"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/rules"
)

// Command is a command to an account.
type Command interface{ isCommand() }

// Open opens the account. Codes: already_exists.
type Open struct {
	// HolderID is the id of the account's holder, and the key of the holder's row: 1 to 200
	// characters.
	HolderID string `json:"holder_id"`
	// HolderName is the name of the account's holder: 1 to 200 characters.
	HolderName string `json:"holder_name"`
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
	// Channel is which way the money comes or goes, such as "branch" or "online": at most 50
	// characters; empty is [ChannelUnknown].
	Channel string `json:"channel"`
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
	// Channel is which way the money comes or goes, such as "branch" or "online": at most 50
	// characters; empty is [ChannelUnknown].
	Channel string `json:"channel"`
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

// Debit takes a transfer's money out. DebitDeclined is the answer if that is impossible. Policies
// send it.
type Debit struct {
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
}

// Credit pays a transfer's money in. CreditDeclined is the answer if that is impossible. Policies
// send it.
type Credit struct {
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
}

// Refund pays back the debit of a transfer whose other account declined, even if this account was
// frozen or closed since. Policies send it. Its codes are for cases that a transfer can hardly
// cause: unknown_aggregate, currency_mismatch, amount_not_positive, amount_overflow (a balance
// above 2^63-1: the command is a dead letter, to be sent again when something was withdrawn).
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

// Event is an event of an account.
type Event interface{ isEvent() }

// Opened says that the account exists.
type Opened struct {
	HolderID       string `json:"holder_id"`
	HolderName     string `json:"holder_name"`
	Currency       string `json:"currency"`
	OverdraftLimit int64  `json:"overdraft_limit"`
}

// Deposited says that money was paid in.
type Deposited struct {
	HolderID   string  `json:"holder_id"`
	HolderName string  `json:"holder_name"`
	Amount     int64   `json:"amount"`
	Currency   string  `json:"currency"`
	Reference  string  `json:"reference"`
	BookedOn   *string `json:"booked_on"`
	Channel    string  `json:"channel"`
}

// Withdrawn says that money was taken out.
type Withdrawn struct {
	HolderID   string  `json:"holder_id"`
	HolderName string  `json:"holder_name"`
	Amount     int64   `json:"amount"`
	Currency   string  `json:"currency"`
	Reference  string  `json:"reference"`
	BookedOn   *string `json:"booked_on"`
	Channel    string  `json:"channel"`
}

// Frozen says that movements are stopped.
type Frozen struct {
	HolderID   string `json:"holder_id"`
	HolderName string `json:"holder_name"`
	Reason     string `json:"reason"`
}

// Unfrozen says that movements are possible again.
type Unfrozen struct {
	HolderID   string `json:"holder_id"`
	HolderName string `json:"holder_name"`
	Reason     string `json:"reason"`
}

// Closed says that the account has ended.
type Closed struct {
	HolderID   string `json:"holder_id"`
	HolderName string `json:"holder_name"`
	Reason     string `json:"reason"`
}

// Debited says that a transfer's money left the account and is in flight.
type Debited struct {
	HolderID     string `json:"holder_id"`
	HolderName   string `json:"holder_name"`
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
}

// DebitDeclined says that a transfer's money did not leave the account, and why.
type DebitDeclined struct {
	HolderID     string `json:"holder_id"`
	HolderName   string `json:"holder_name"`
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
	// Reason is the code of a refusal.
	Reason string `json:"reason"`
}

// Credited says that a transfer's money arrived.
type Credited struct {
	HolderID     string `json:"holder_id"`
	HolderName   string `json:"holder_name"`
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
}

// CreditDeclined says that a transfer's money was not taken in, and why. It is still in flight.
type CreditDeclined struct {
	HolderID     string `json:"holder_id"`
	HolderName   string `json:"holder_name"`
	TransferID   string `json:"transfer_id"`
	Counterparty string `json:"counterparty"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
	// Reason is the code of a refusal.
	Reason string `json:"reason"`
}

// Refunded says that a transfer's money came back.
type Refunded struct {
	HolderID     string `json:"holder_id"`
	HolderName   string `json:"holder_name"`
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

// Status says which commands an account can take.
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

// ChannelUnknown is the channel of money if nobody named one.
//
// NB: must not change. Schemas have it as their default, and events contain it.
const ChannelUnknown = "unknown"

// Account is the state of an account.
type Account struct {
	Status     Status `json:"status"`
	HolderID   string `json:"holder_id"`
	HolderName string `json:"holder_name"`
	Currency   string `json:"currency"`
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

// Decide returns the events of the command, or the refusal whose code comes first in
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
		return accept(Deposited{HolderID: a.HolderID, HolderName: a.HolderName, Amount: c.Amount, Currency: c.Currency, Reference: c.Reference, BookedOn: c.BookedOn,
			Channel: cmp.Or(c.Channel, ChannelUnknown)})
	case Withdraw:
		if r := a.refuseOutgoing(c.Amount, c.Currency); r != nil {
			return reject(r)
		}
		return accept(Withdrawn{HolderID: a.HolderID, HolderName: a.HolderName, Amount: c.Amount, Currency: c.Currency, Reference: c.Reference, BookedOn: c.BookedOn,
			Channel: cmp.Or(c.Channel, ChannelUnknown)})
	case Freeze:
		if r := a.refuseUnlessOpen(); r != nil {
			return reject(r)
		}
		return accept(Frozen{HolderID: a.HolderID, HolderName: a.HolderName, Reason: c.Reason})
	case Unfreeze:
		switch a.Status {
		case StatusFrozen:
			return accept(Unfrozen{HolderID: a.HolderID, HolderName: a.HolderName, Reason: c.Reason})
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
		return accept(Closed{HolderID: a.HolderID, HolderName: a.HolderName, Reason: c.Reason})
	case Debit:
		if r := a.refuseOutgoing(c.Amount, c.Currency); r != nil {
			return accept(DebitDeclined{HolderID: a.HolderID, HolderName: a.HolderName, TransferID: c.TransferID, Counterparty: c.Counterparty, Amount: c.Amount,
				Currency: c.Currency, Reason: r.Code})
		}
		return accept(Debited{HolderID: a.HolderID, HolderName: a.HolderName, TransferID: c.TransferID, Counterparty: c.Counterparty, Amount: c.Amount, Currency: c.Currency})
	case Credit:
		if r := a.refuseIncoming(c.Amount, c.Currency); r != nil {
			return accept(CreditDeclined{HolderID: a.HolderID, HolderName: a.HolderName, TransferID: c.TransferID, Counterparty: c.Counterparty, Amount: c.Amount,
				Currency: c.Currency, Reason: r.Code})
		}
		return accept(Credited{HolderID: a.HolderID, HolderName: a.HolderName, TransferID: c.TransferID, Counterparty: c.Counterparty, Amount: c.Amount, Currency: c.Currency})
	case Refund:
		if r := a.refuseRefund(c.Amount, c.Currency); r != nil {
			return reject(r)
		}
		return accept(Refunded{HolderID: a.HolderID, HolderName: a.HolderName, TransferID: c.TransferID, Counterparty: c.Counterparty, Amount: c.Amount, Currency: c.Currency})
	}
	return nil, foldlog.Unhandled(command.Data)
}

// Evolve returns the account after the event.
func Evolve(a Account, event foldlog.Event[Event]) Account {
	switch e := event.Data.(type) {
	case Opened:
		a.Status, a.HolderID, a.HolderName = StatusOpen, e.HolderID, e.HolderName
		a.Currency, a.OverdraftLimit = e.Currency, e.OverdraftLimit
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
