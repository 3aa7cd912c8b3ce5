package check

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxAmount  = 1_000_000_000_000_000
	maxBalance = 1 << 62
	unlimited  = -1
)

// state is that of an account or a transfer. The zero value is one that never was. It is
// comparable.
type state struct {
	status               string // "" is none
	holderID, holderName string
	currency             string
	overdraft, balance   int64
	from, to, reference  string
	reason               string
	amount               int64
	depositedTotal       int64 // what the second version of the balances shows
}

// fact is an event that a decision leads to.
type fact struct {
	kind string
	payload
}

// whyInvalid returns the name of the first field that no state can make right, or "".
func whyInvalid(kind string, p payload) string {
	switch kind {
	case "open":
		switch {
		case strings.TrimSpace(p.holderID) == "" || len(p.holderID) > 512 || strings.HasPrefix(p.holderID, reservedPrefix) || !isText(p.holderID, 200):
			return "holder_id"
		case strings.TrimSpace(p.holderName) == "" || !isText(p.holderName, 200):
			return "holder_name"
		case !isCurrency(p.currency):
			return "currency"
		case p.overdraft < unlimited || p.overdraft > maxAmount:
			return "overdraft_limit"
		}
	case "deposit", "withdraw":
		switch {
		case !isCurrency(p.currency):
			return "currency"
		case !isText(p.reference, 200):
			return "reference"
		case p.booked && !isDate(p.bookedOn):
			return "booked_on"
		case !isText(p.channel, 50):
			return "channel"
		}
	case "debit", "credit", "refund":
		switch {
		case whyNoAggregateID(p.transferID) != "":
			return "transfer_id"
		case whyNoAggregateID(p.counterparty) != "":
			return "counterparty"
		case !isCurrency(p.currency):
			return "currency"
		}
	case "request":
		switch {
		case whyNoAggregateID(p.from) != "":
			return "from"
		case whyNoAggregateID(p.to) != "":
			return "to"
		case !isCurrency(p.currency):
			return "currency"
		case !isText(p.reference, 200):
			return "reference"
		}
	default:
		if !isText(p.reason, 500) {
			return "reason"
		}
	}
	return ""
}

func isText(s string, limit int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit
}

func isCurrency(s string) bool {
	return len(s) == 3 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func isDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// decide returns the event that a command leads to, or the code of its refusal.
func decide(aggregate string, s state, kind string, p payload) (f fact, code string) {
	if aggregate == "transfer" {
		return decideTransfer(s, kind, p)
	}
	f.payload, f.holderID, f.holderName = p, s.holderID, s.holderName
	switch kind {
	case "open":
		if s.status != "" {
			return fact{}, "already_exists"
		}
		f.kind, f.holderID, f.holderName = "AccountOpened", p.holderID, p.holderName
		return f, ""
	case "deposit":
		f.kind, code = "Deposited", refuseIn(s, p)
		f.channel = cmp.Or(p.channel, unknownChannel)
	case "withdraw":
		f.kind, code = "Withdrawn", refuseOut(s, p)
		f.channel = cmp.Or(p.channel, unknownChannel)
	case "freeze":
		f.kind, code = "AccountFrozen", refuseUnlessOpen(s)
	case "unfreeze":
		f.kind = "AccountUnfrozen"
		if code = refuseUnlessOpen(s); code == "account_frozen" {
			code = ""
		} else if code == "" {
			code = "wrong_state"
		}
	case "close":
		f.kind, code = "AccountClosed", refuseUnlessOpen(s)
		if code == "" && s.balance != 0 {
			code = "balance_not_zero"
		}
	case "debit":
		if f.kind, f.reason = "Debited", refuseOut(s, p); f.reason != "" {
			f.kind = "DebitDeclined"
		}
	case "credit":
		if f.kind, f.reason = "Credited", refuseIn(s, p); f.reason != "" {
			f.kind = "CreditDeclined"
		}
	case "refund":
		f.kind = "Refunded"
		switch {
		case s.status == "":
			code = "unknown_aggregate"
		case p.currency != s.currency:
			code = "currency_mismatch"
		case refuseAmount(p.amount) != "":
			code = refuseAmount(p.amount)
		case s.balance > 0 && p.amount > math.MaxInt64-s.balance:
			code = "amount_overflow"
		}
	}
	if code != "" {
		return fact{}, code
	}
	return f, ""
}

func refuseUnlessOpen(s state) string {
	switch s.status {
	case "":
		return "unknown_aggregate"
	case "closed":
		return "account_closed"
	case "frozen":
		return "account_frozen"
	}
	return ""
}

func refuseAmount(amount int64) string {
	if amount <= 0 {
		return "amount_not_positive"
	}
	if amount > maxAmount {
		return "amount_overflow"
	}
	return ""
}

func refuseMovement(s state, p payload) string {
	if code := refuseUnlessOpen(s); code != "" {
		return code
	}
	if p.currency != s.currency {
		return "currency_mismatch"
	}
	return refuseAmount(p.amount)
}

func refuseIn(s state, p payload) string {
	code := refuseMovement(s, p)
	if code == "" && s.balance > maxBalance-p.amount {
		code = "amount_overflow"
	}
	return code
}

func refuseOut(s state, p payload) string {
	code := refuseMovement(s, p)
	switch {
	case code != "":
	case s.balance < p.amount-maxBalance:
		code = "amount_overflow"
	case s.overdraft != unlimited && s.balance-p.amount < -s.overdraft:
		code = "insufficient_funds"
	}
	return code
}

// steps are the state that a transfer's command needs and the event that it leads to.
var steps = map[string]struct{ from, event string }{
	"confirm-debit":  {"requested", "TransferDebited"},
	"decline-debit":  {"requested", "TransferRefused"},
	"confirm-credit": {"debited", "TransferCompleted"},
	"decline-credit": {"debited", "TransferReturning"},
	"confirm-refund": {"returning", "TransferReturned"},
}

func decideTransfer(s state, kind string, p payload) (fact, string) {
	if kind == "request" {
		switch {
		case refuseAmount(p.amount) != "":
			return fact{}, refuseAmount(p.amount)
		case p.from == p.to:
			return fact{}, "same_account"
		case s.status != "":
			return fact{}, "wrong_state"
		}
		return fact{"TransferRequested", p}, ""
	}
	step := steps[kind]
	if s.status != step.from {
		return fact{}, "wrong_state"
	}
	f := fact{step.event, payload{from: s.from, to: s.to, amount: s.amount, currency: s.currency}}
	switch step.event {
	case "TransferRefused", "TransferReturning":
		f.reason = p.reason
	case "TransferReturned":
		f.reason = s.reason
	}
	return f, ""
}

// evolve returns the state after an event.
func evolve(s state, kind string, p payload) state {
	switch kind {
	case "AccountOpened":
		s.status, s.holderID, s.holderName, s.currency, s.overdraft = "open", p.holderID, p.holderName, p.currency, p.overdraft
	case "Deposited":
		s.balance += p.amount
		s.depositedTotal += p.amount
	case "Credited", "Refunded":
		s.balance += p.amount
	case "Withdrawn", "Debited":
		s.balance -= p.amount
	case "AccountFrozen":
		s.status = "frozen"
	case "AccountUnfrozen":
		s.status = "open"
	case "AccountClosed":
		s.status = "closed"
	case "TransferRequested":
		s = state{status: "requested", from: p.from, to: p.to, amount: p.amount, currency: p.currency, reference: p.reference}
	case "TransferDebited":
		s.status = "debited"
	case "TransferCompleted":
		s.status = "completed"
	case "TransferRefused":
		s.status, s.reason = "refused", p.reason
	case "TransferReturning":
		s.status, s.reason = "returning", p.reason
	case "TransferReturned":
		s.status = "returned"
	}
	return s
}

// statusText is the status as records and views show it.
func (s state) statusText() string {
	if s.status == "" {
		return "none"
	}
	return s.status
}

// isFinal reports whether nothing more happens to a transfer.
func (s state) isFinal() bool {
	return s.status == "refused" || s.status == "completed" || s.status == "returned"
}

// document returns the state as JSON and Avro have it.
func (s state) document(aggregate string) map[string]any {
	if aggregate == "transfer" {
		return map[string]any{"status": s.statusText(), "from": s.from, "to": s.to, "amount": s.amount, "currency": s.currency,
			"reference": s.reference, "reason": s.reason}
	}
	return map[string]any{"status": s.statusText(), "holder_id": s.holderID, "holder_name": s.holderName, "currency": s.currency,
		"overdraft_limit": s.overdraft, "balance": s.balance}
}

// reaction is a command that a policy sends.
type reaction struct {
	policy, aggregate, id, kind string
	payload
}

// react returns what policies make of an event; ok is false for nothing.
func react(kind, id string, p payload) (r reaction, ok bool) {
	money := func(to, counterparty, kind string) (reaction, bool) {
		return reaction{"transfer-steps", "account", to, kind, payload{transferID: id, counterparty: counterparty, amount: p.amount, currency: p.currency}}, true
	}
	reply := func(kind, reason string) (reaction, bool) {
		return reaction{"transfer-replies", "transfer", p.transferID, kind, payload{reason: reason}}, true
	}
	switch kind {
	case "TransferRequested":
		return money(p.from, p.to, "debit")
	case "TransferDebited":
		return money(p.to, p.from, "credit")
	case "TransferReturning":
		return money(p.from, p.to, "refund")
	case "Debited":
		return reply("confirm-debit", "")
	case "DebitDeclined":
		return reply("decline-debit", p.reason)
	case "Credited":
		return reply("confirm-credit", "")
	case "CreditDeclined":
		return reply("decline-credit", p.reason)
	case "Refunded":
		return reply("confirm-refund", "")
	}
	return reaction{}, false
}

func (f fact) String() string { return fmt.Sprintf("%s%+v", f.kind, f.payload) }
