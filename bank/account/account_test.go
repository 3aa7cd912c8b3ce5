package account_test

import (
	"cmp"
	"math"
	"strings"
	"testing"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/bank/rules"
	"github.com/foldlog/foldlog/scenario"
)

// given begins a scenario with an account of ann's in euro, then the events.
func given(t *testing.T, overdraftLimit int64, events ...account.Event) *scenario.DeciderScenario[account.Account, account.Command, account.Event] {
	t.Helper()
	return scenario.Decider(t, account.Decider()).
		Given(account.Opened{HolderID: "ann", HolderName: "Ann", Currency: "EUR", OverdraftLimit: overdraftLimit}).
		Given(events...)
}

// nothing begins a scenario of an account that was never opened.
func nothing(t *testing.T) *scenario.DeciderScenario[account.Account, account.Command, account.Event] {
	return scenario.Decider(t, account.Decider())
}

func paidIn(amount int64) account.Event {
	return account.Deposited{HolderID: "ann", HolderName: "Ann", Amount: amount, Currency: "EUR", Channel: account.ChannelUnknown}
}

func tookOut(amount int64) account.Event {
	return account.Withdrawn{HolderID: "ann", HolderName: "Ann", Amount: amount, Currency: "EUR", Channel: account.ChannelUnknown}
}

func cameBack(amount int64) account.Event {
	return account.Refunded{HolderID: "ann", HolderName: "Ann", TransferID: "t", Counterparty: "b", Amount: amount, Currency: "EUR"}
}

var (
	frozen = account.Frozen{HolderID: "ann", HolderName: "Ann", Reason: "court order"}
	closed = account.Closed{HolderID: "ann", HolderName: "Ann", Reason: "asked for"}
)

func TestOpen(t *testing.T) {
	open := account.Open{HolderID: "ann", HolderName: "Ann", Currency: "EUR", OverdraftLimit: 500}
	nothing(t).When(open).Then(account.Opened{HolderID: "ann", HolderName: "Ann", Currency: "EUR", OverdraftLimit: 500}).
		ThenState(account.Account{Status: account.StatusOpen, HolderID: "ann", HolderName: "Ann", Currency: "EUR", OverdraftLimit: 500})

	given(t, 0).When(open).ThenRejected("already_exists")
	given(t, 0, frozen).When(open).ThenRejected("already_exists")
	given(t, 0, closed).When(open).ThenRejected("already_exists")
}

func TestOpenAfterDeclines(t *testing.T) {
	nothing(t).
		When(account.Debit{TransferID: "t", Counterparty: "b", Amount: 1, Currency: "EUR"}).
		Then(account.DebitDeclined{TransferID: "t", Counterparty: "b", Amount: 1, Currency: "EUR", Reason: "unknown_aggregate"}).
		When(account.Credit{TransferID: "t", Counterparty: "b", Amount: 1, Currency: "EUR"}).
		Then(account.CreditDeclined{TransferID: "t", Counterparty: "b", Amount: 1, Currency: "EUR", Reason: "unknown_aggregate"}).
		ThenState(account.Account{Status: account.StatusNone}).
		When(account.Open{HolderID: "ann", HolderName: "Ann", Currency: "EUR", OverdraftLimit: -1}).
		Then(account.Opened{HolderID: "ann", HolderName: "Ann", Currency: "EUR", OverdraftLimit: -1})
}

func TestOpenFields(t *testing.T) {
	for _, c := range []struct {
		name  string
		open  account.Open
		field string // the one that is invalid, "" if none is
	}{
		{"no holder", account.Open{Currency: "EUR"}, "holder_id"},
		{"blank holder", account.Open{HolderID: " \t\u2003", HolderName: "Ann", Currency: "EUR"}, "holder_id"},
		{"longest holder", account.Open{HolderID: strings.Repeat("ä", 200), HolderName: "Ann", Currency: "EUR"}, ""},
		{"holder too long", account.Open{HolderID: strings.Repeat("a", 201), HolderName: "Ann", Currency: "EUR"}, "holder_id"},
		{"longest holder in bytes", account.Open{HolderID: strings.Repeat("😀", 128), HolderName: "Ann", Currency: "EUR"}, ""},
		{"holder too long for a view key", account.Open{HolderID: strings.Repeat("😀", 129), HolderName: "Ann", Currency: "EUR"}, "holder_id"},
		{"holder not UTF-8", account.Open{HolderID: "ann\xff", HolderName: "Ann", Currency: "EUR"}, "holder_id"},
		{"holder reserved", account.Open{HolderID: "__foldlog-progress/x", HolderName: "Ann", Currency: "EUR"}, "holder_id"},
		{"no name", account.Open{HolderID: "ann", Currency: "EUR"}, "holder_name"},
		{"blank name", account.Open{HolderID: "ann", HolderName: " \t\u2003", Currency: "EUR"}, "holder_name"},
		{"longest name", account.Open{HolderID: "ann", HolderName: strings.Repeat("😀", 200), Currency: "EUR"}, ""},
		{"name too long", account.Open{HolderID: "ann", HolderName: strings.Repeat("a", 201), Currency: "EUR"}, "holder_name"},
		{"no currency", account.Open{HolderID: "ann", HolderName: "Ann"}, "currency"},
		{"small letters", account.Open{HolderID: "ann", HolderName: "Ann", Currency: "eur"}, "currency"},
		{"four letters", account.Open{HolderID: "ann", HolderName: "Ann", Currency: "EURO"}, "currency"},
		{"letters of elsewhere", account.Open{HolderID: "ann", HolderName: "Ann", Currency: "ÄÄ"}, "currency"},
		{"no limit", account.Open{HolderID: "ann", HolderName: "Ann", Currency: "EUR", OverdraftLimit: -1}, ""},
		{"limit below none", account.Open{HolderID: "ann", HolderName: "Ann", Currency: "EUR", OverdraftLimit: -2}, "overdraft_limit"},
		{"highest limit", account.Open{HolderID: "ann", HolderName: "Ann", Currency: "EUR", OverdraftLimit: 1e15}, ""},
		{"limit too high", account.Open{HolderID: "ann", HolderName: "Ann", Currency: "EUR", OverdraftLimit: 1e15 + 1}, "overdraft_limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.field != "" {
				nothing(t).When(c.open).ThenInvalid(c.field)
				return
			}
			nothing(t).When(c.open).Then(account.Opened(c.open))
		})
	}
}

func TestDeposit(t *testing.T) {
	day := "2026-02-28"
	given(t, 0).
		When(account.Deposit{Amount: 100, Currency: "EUR", Reference: "salary", BookedOn: &day}).
		Then(account.Deposited{HolderID: "ann", HolderName: "Ann", Amount: 100, Currency: "EUR", Reference: "salary", BookedOn: &day, Channel: account.ChannelUnknown}).
		When(account.Deposit{Amount: rules.MaxAmount, Currency: "EUR"}).
		Then(paidIn(rules.MaxAmount)).
		ThenState(account.Account{Status: account.StatusOpen, HolderID: "ann", HolderName: "Ann", Currency: "EUR", Balance: rules.MaxAmount + 100})

	deposit := account.Deposit{Amount: 1, Currency: "EUR"}
	nothing(t).When(deposit).ThenRejected("unknown_aggregate")
	given(t, 0, closed).When(deposit).ThenRejected("account_closed")
	given(t, 0, frozen).When(deposit).ThenRejected("account_frozen")
	given(t, 0).When(account.Deposit{Amount: 1, Currency: "USD"}).ThenRejected("currency_mismatch")
	given(t, 0).When(account.Deposit{Amount: 0, Currency: "EUR"}).ThenRejected("amount_not_positive")
	given(t, 0).When(account.Deposit{Amount: math.MinInt64, Currency: "EUR"}).ThenRejected("amount_not_positive")
	given(t, 0).When(account.Deposit{Amount: rules.MaxAmount + 1, Currency: "EUR"}).ThenRejected("amount_overflow")
	given(t, 0).When(account.Deposit{Amount: math.MaxInt64, Currency: "EUR"}).ThenRejected("amount_overflow")
}

func TestDepositUpToTheHighestBalance(t *testing.T) {
	given(t, 0, paidIn(1<<62-10)).
		When(account.Deposit{Amount: 11, Currency: "EUR"}).ThenRejected("amount_overflow").
		When(account.Deposit{Amount: 10, Currency: "EUR"}).Then(paidIn(10)).
		When(account.Deposit{Amount: 1, Currency: "EUR"}).ThenRejected("amount_overflow")
	// A refund may have lifted the balance so far that adding to it would wrap around.
	given(t, 0, paidIn(1<<62), cameBack(1<<62-1)).
		When(account.Deposit{Amount: 1, Currency: "EUR"}).ThenRejected("amount_overflow").
		When(account.Deposit{Amount: rules.MaxAmount, Currency: "EUR"}).ThenRejected("amount_overflow").
		When(account.Withdraw{Amount: rules.MaxAmount, Currency: "EUR"}).Then(tookOut(rules.MaxAmount))
}

func TestWithdraw(t *testing.T) {
	day := "2026-02-28"
	given(t, 0, paidIn(100)).
		When(account.Withdraw{Amount: 30, Currency: "EUR", Reference: "rent", BookedOn: &day}).
		Then(account.Withdrawn{HolderID: "ann", HolderName: "Ann", Amount: 30, Currency: "EUR", Reference: "rent", BookedOn: &day, Channel: account.ChannelUnknown}).
		When(account.Withdraw{Amount: 71, Currency: "EUR"}).ThenRejected("insufficient_funds").
		When(account.Withdraw{Amount: 70, Currency: "EUR"}).Then(tookOut(70)).
		ThenState(account.Account{Status: account.StatusOpen, HolderID: "ann", HolderName: "Ann", Currency: "EUR", Balance: 0})

	withdraw := account.Withdraw{Amount: 1, Currency: "EUR"}
	nothing(t).When(withdraw).ThenRejected("unknown_aggregate")
	given(t, 0, closed).When(withdraw).ThenRejected("account_closed")
	given(t, 0, paidIn(1), frozen).When(withdraw).ThenRejected("account_frozen")
	given(t, 0, paidIn(1)).When(account.Withdraw{Amount: 1, Currency: "USD"}).ThenRejected("currency_mismatch")
	given(t, 0, paidIn(1)).When(account.Withdraw{Amount: -1, Currency: "EUR"}).ThenRejected("amount_not_positive")
	given(t, -1).When(account.Withdraw{Amount: rules.MaxAmount + 1, Currency: "EUR"}).ThenRejected("amount_overflow")
	given(t, 0).When(withdraw).ThenRejected("insufficient_funds")
}

func TestWithdrawDownToTheOverdraftLimit(t *testing.T) {
	given(t, 50, paidIn(10)).
		When(account.Withdraw{Amount: 61, Currency: "EUR"}).ThenRejected("insufficient_funds").
		When(account.Withdraw{Amount: 60, Currency: "EUR"}).Then(tookOut(60)).
		When(account.Withdraw{Amount: 1, Currency: "EUR"}).ThenRejected("insufficient_funds")
}

func TestWithdrawWithoutLimitDownToTheLowestBalance(t *testing.T) {
	given(t, -1, tookOut(1<<62-10)).
		When(account.Withdraw{Amount: 11, Currency: "EUR"}).ThenRejected("amount_overflow").
		When(account.Withdraw{Amount: 10, Currency: "EUR"}).Then(tookOut(10)).
		When(account.Withdraw{Amount: 1, Currency: "EUR"}).ThenRejected("amount_overflow").
		When(account.Withdraw{Amount: rules.MaxAmount, Currency: "EUR"}).ThenRejected("amount_overflow")
}

func TestFieldsOfDepositAndWithdraw(t *testing.T) {
	long, longest, no := strings.Repeat("ä", 201), strings.Repeat("ä", 200), ""
	for _, c := range []struct {
		name, currency, reference string
		day                       *string
		field                     string
		channel                   string
	}{
		{"currency", "EU", "", nil, "currency", ""},
		{"reference", "EUR", long, nil, "reference", ""},
		{"longest reference", "EUR", longest, nil, "", ""},
		{"reference not UTF-8", "EUR", "\xc3", nil, "reference", ""},
		{"empty day", "EUR", "", &no, "booked_on", ""},
		{"no such day", "EUR", "", new("2026-02-29"), "booked_on", ""},
		{"leap day", "EUR", "", new("2024-02-29"), "", ""},
		{"short day", "EUR", "", new("2026-2-3"), "booked_on", ""},
		{"day with time", "EUR", "", new("2026-02-03T00:00:00Z"), "booked_on", ""},
		{"old day", "EUR", "", new("1993-01-01"), "", ""},
		{"longest channel", "EUR", "", nil, "", strings.Repeat("ü", 50)},
		{"channel too long", "EUR", "", nil, "channel", strings.Repeat("c", 51)},
	} {
		t.Run(c.name, func(t *testing.T) {
			deposit := account.Deposit{Amount: 1, Currency: c.currency, Reference: c.reference, BookedOn: c.day, Channel: c.channel}
			withdraw := account.Withdraw{Amount: 1, Currency: c.currency, Reference: c.reference, BookedOn: c.day, Channel: c.channel}
			if c.field != "" {
				given(t, -1).When(deposit).ThenInvalid(c.field).When(withdraw).ThenInvalid(c.field)
				return
			}
			channel := cmp.Or(c.channel, "unknown")
			given(t, -1).
				When(deposit).Then(account.Deposited{HolderID: "ann", HolderName: "Ann", Amount: 1, Currency: "EUR", Reference: c.reference, BookedOn: c.day, Channel: channel}).
				When(withdraw).Then(account.Withdrawn{HolderID: "ann", HolderName: "Ann", Amount: 1, Currency: "EUR", Reference: c.reference, BookedOn: c.day, Channel: channel})
		})
	}
}

func TestFreezeAndUnfreeze(t *testing.T) {
	given(t, 0).
		When(account.Freeze{Reason: "court order"}).Then(frozen).
		ThenState(account.Account{Status: account.StatusFrozen, HolderID: "ann", HolderName: "Ann", Currency: "EUR"}).
		When(account.Freeze{}).ThenRejected("account_frozen").
		When(account.Unfreeze{Reason: "lifted"}).Then(account.Unfrozen{HolderID: "ann", HolderName: "Ann", Reason: "lifted"}).
		ThenState(account.Account{Status: account.StatusOpen, HolderID: "ann", HolderName: "Ann", Currency: "EUR"}).
		When(account.Unfreeze{}).ThenRejected("wrong_state")

	nothing(t).When(account.Freeze{}).ThenRejected("unknown_aggregate")
	nothing(t).When(account.Unfreeze{}).ThenRejected("unknown_aggregate")
	given(t, 0, closed).When(account.Freeze{}).ThenRejected("account_closed")
	given(t, 0, closed).When(account.Unfreeze{}).ThenRejected("account_closed")
	given(t, 0).When(account.Freeze{Reason: strings.Repeat("a", 501)}).ThenInvalid("reason")
	given(t, 0, frozen).When(account.Unfreeze{Reason: strings.Repeat("a", 501)}).ThenInvalid("reason")
}

func TestClose(t *testing.T) {
	given(t, 50, paidIn(10)).
		When(account.Close{}).ThenRejected("balance_not_zero").
		When(account.Withdraw{Amount: 20, Currency: "EUR"}).Then(tookOut(20)).
		When(account.Close{}).ThenRejected("balance_not_zero").
		When(account.Deposit{Amount: 10, Currency: "EUR"}).Then(paidIn(10)).
		When(account.Close{Reason: "asked for"}).Then(closed).
		ThenState(account.Account{Status: account.StatusClosed, HolderID: "ann", HolderName: "Ann", Currency: "EUR", OverdraftLimit: 50}).
		When(account.Close{}).ThenRejected("account_closed")

	nothing(t).When(account.Close{}).ThenRejected("unknown_aggregate")
	given(t, 0, frozen).When(account.Close{}).ThenRejected("account_frozen")
	given(t, 0).When(account.Close{Reason: strings.Repeat("a", 501)}).ThenInvalid("reason")
}

func TestTypesTheAggregateDoesNotKnow(t *testing.T) {
	if _, err := account.Decide(account.Initial(), foldlog.Command[account.Command]{}); err == nil {
		t.Error("a command of no known type was accepted")
	} else if _, ok := foldlog.AsRejection(err); ok {
		t.Errorf("a command of no known type is a defect, not the rejection %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("an event of no known type was passed over in silence")
		}
	}()
	account.Evolve(account.Initial(), foldlog.Event[account.Event]{})
}

func TestTheZeroAccountWasNeverOpened(t *testing.T) {
	_, err := account.Decide(account.Account{}, foldlog.Command[account.Command]{Data: account.Deposit{Amount: 1}})
	if r, ok := foldlog.AsRejection(err); !ok || r.Code != "unknown_aggregate" {
		t.Errorf("a deposit to the zero value gives %v, want unknown_aggregate", err)
	}
}
