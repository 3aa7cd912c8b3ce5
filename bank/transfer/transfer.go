package transfer

import (
	"cmp"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/rules"
)

// Command is a command to a transfer.
type Command interface{ isCommand() }

// Request starts the transfer. Whether the accounts exist and have the money is found out
// afterwards. Codes: amount_not_positive, amount_overflow, same_account, wrong_state (the transfer
// exists).
type Request struct {
	// From and To are the ids of two accounts.
	From string `json:"from"`
	To   string `json:"to"`
	// Amount is in minor units: 1 to 10^15.
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	// Reference is free text of at most 200 characters.
	Reference string `json:"reference"`
}

// ConfirmDebit says that the money has left the account From. Policies send it. Code: wrong_state.
type ConfirmDebit struct {
	// Reason is a note that is not kept; policies leave it empty.
	Reason string `json:"reason"`
}

// DeclineDebit says that the account From declined. Policies send it. Code: wrong_state.
type DeclineDebit struct {
	// Reason is the code that the account gave.
	Reason string `json:"reason"`
}

// ConfirmCredit says that the money has arrived at the account To. Policies send it. Code:
// wrong_state.
type ConfirmCredit struct {
	// Reason is a note that is not kept; policies leave it empty.
	Reason string `json:"reason"`
}

// DeclineCredit says that the account To declined. Policies send it. Code: wrong_state.
type DeclineCredit struct {
	// Reason is the code that the account gave.
	Reason string `json:"reason"`
}

// ConfirmRefund says that the money is back on the account From. Policies send it. Code:
// wrong_state.
type ConfirmRefund struct {
	// Reason is a note that is not kept; policies leave it empty.
	Reason string `json:"reason"`
}

func (Request) isCommand()       {}
func (ConfirmDebit) isCommand()  {}
func (DeclineDebit) isCommand()  {}
func (ConfirmCredit) isCommand() {}
func (DeclineCredit) isCommand() {}
func (ConfirmRefund) isCommand() {}

// Validate implements [foldlog.Validator].
func (c Request) Validate() error {
	return cmp.Or(
		rules.CheckID("from", c.From),
		rules.CheckID("to", c.To),
		rules.CheckCurrency("currency", c.Currency),
		rules.CheckText("reference", c.Reference, rules.MaxReferenceLength),
	)
}

// Validate implements [foldlog.Validator].
func (c ConfirmDebit) Validate() error { return checkReason(c.Reason) }

// Validate implements [foldlog.Validator].
func (c DeclineDebit) Validate() error { return checkReason(c.Reason) }

// Validate implements [foldlog.Validator].
func (c ConfirmCredit) Validate() error { return checkReason(c.Reason) }

// Validate implements [foldlog.Validator].
func (c DeclineCredit) Validate() error { return checkReason(c.Reason) }

// Validate implements [foldlog.Validator].
func (c ConfirmRefund) Validate() error { return checkReason(c.Reason) }

func checkReason(reason string) error {
	return rules.CheckText("reason", reason, rules.MaxReasonLength)
}

// Event is an event of a transfer.
type Event interface{ isEvent() }

// Requested says that the transfer has begun.
type Requested struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
	Reference string `json:"reference"`
}

// Debited says that the money is in flight.
type Debited struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// Refused says that the account From declined. No money has moved. Final.
type Refused struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	// Reason is the code that the account gave.
	Reason string `json:"reason"`
}

// Completed says that the money has arrived. Final.
type Completed struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// Returning says that the account To declined and the money is to go back.
type Returning struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	// Reason is the code that the account gave.
	Reason string `json:"reason"`
}

// Returned says that the money is back. Final.
type Returned struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	// Reason is the code that the account To gave.
	Reason string `json:"reason"`
}

func (Requested) isEvent() {}
func (Debited) isEvent()   {}
func (Refused) isEvent()   {}
func (Completed) isEvent() {}
func (Returning) isEvent() {}
func (Returned) isEvent()  {}

// Status is how far a transfer has come.
//
// NB: must not change. States and views contain it.
type Status string

// Statuses of a transfer.
const (
	// StatusNone is that of a transfer that was never requested.
	StatusNone Status = "none"
	// StatusRequested waits for the account From.
	StatusRequested Status = "requested"
	// StatusDebited waits for the account To.
	StatusDebited Status = "debited"
	// StatusRefused is final: the account From declined.
	StatusRefused Status = "refused"
	// StatusCompleted is final: the money has arrived.
	StatusCompleted Status = "completed"
	// StatusReturning waits for the money to be back.
	StatusReturning Status = "returning"
	// StatusReturned is final: the money is back.
	StatusReturned Status = "returned"
)

// Final reports whether nothing more can happen to the transfer.
func (s Status) Final() bool {
	return s == StatusRefused || s == StatusCompleted || s == StatusReturned
}

// Transfer is the state of a transfer.
type Transfer struct {
	Status    Status `json:"status"`
	From      string `json:"from"`
	To        string `json:"to"`
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
	Reference string `json:"reference"`
	// Reason is the code of the account that declined; empty if none did.
	Reason string `json:"reason"`
}

// Initial returns the transfer before its first event.
func Initial() Transfer { return Transfer{Status: StatusNone} }

// Decider returns the aggregate's three functions.
func Decider() foldlog.Decider[Transfer, Command, Event] {
	return foldlog.Decider[Transfer, Command, Event]{Initial: Initial, Decide: Decide, Evolve: Evolve}
}

// Decide returns the events of the command, or the refusal whose code comes first in
// [rules.Precedence].
func Decide(t Transfer, command foldlog.Command[Command]) ([]Event, error) {
	switch c := command.Data.(type) {
	case Request:
		if r := rules.RefuseAmount(c.Amount); r != nil {
			return nil, r
		}
		if c.From == c.To {
			return nil, foldlog.Reject(rules.CodeSameAccount, "both accounts are %q; a transfer needs two", c.From)
		}
		return t.step(StatusNone, Requested(c))
	case ConfirmDebit:
		return t.step(StatusRequested, Debited{From: t.From, To: t.To, Amount: t.Amount, Currency: t.Currency})
	case DeclineDebit:
		return t.step(StatusRequested, Refused{From: t.From, To: t.To, Amount: t.Amount, Currency: t.Currency, Reason: c.Reason})
	case ConfirmCredit:
		return t.step(StatusDebited, Completed{From: t.From, To: t.To, Amount: t.Amount, Currency: t.Currency})
	case DeclineCredit:
		return t.step(StatusDebited, Returning{From: t.From, To: t.To, Amount: t.Amount, Currency: t.Currency, Reason: c.Reason})
	case ConfirmRefund:
		return t.step(StatusReturning, Returned{From: t.From, To: t.To, Amount: t.Amount, Currency: t.Currency, Reason: t.Reason})
	}
	return nil, foldlog.Unhandled(command.Data)
}

// Evolve returns the transfer after the event.
func Evolve(t Transfer, event foldlog.Event[Event]) Transfer {
	switch e := event.Data.(type) {
	case Requested:
		return Transfer{Status: StatusRequested, From: e.From, To: e.To, Amount: e.Amount, Currency: e.Currency, Reference: e.Reference}
	case Debited:
		t.Status = StatusDebited
	case Refused:
		t.Status, t.Reason = StatusRefused, e.Reason
	case Completed:
		t.Status = StatusCompleted
	case Returning:
		t.Status, t.Reason = StatusReturning, e.Reason
	case Returned:
		t.Status = StatusReturned
	default:
		panic(foldlog.Unhandled(event.Data))
	}
	return t
}

// step returns the event if the transfer is in the state that the event leads on from.
func (t Transfer) step(from Status, event Event) ([]Event, error) {
	if t.Status != from {
		return nil, foldlog.Reject(rules.CodeWrongState, "the transfer is %s; this is possible only when it is %s", t.Status, from)
	}
	return []Event{event}, nil
}
