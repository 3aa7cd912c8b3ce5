package bank_test

import (
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/bank/rules"
	"github.com/foldlog/foldlog/bank/transfer"
	"github.com/foldlog/foldlog/scenario"
)

func TestBalances(t *testing.T) {
	row := bank.BalancesRow{AccountID: "a-1", HolderID: "ann", HolderName: "Ann", Currency: "EUR", OverdraftLimit: 50, Status: account.StatusOpen}
	with := func(balance int64, status account.Status, version int64) bank.BalancesRow {
		row.Balance, row.Status, row.Version = balance, status, version
		return row
	}
	scenario.Projection(t, bank.Balances()).
		With(scenario.ID("a-1")).
		Given(account.CreditDeclined{TransferID: "t-0", Reason: "unknown_aggregate"}).
		ThenRow("a-1", bank.BalancesRow{AccountID: "a-1", Status: account.StatusNone, Version: 1}).
		Given(account.Opened{HolderID: "ann", HolderName: "Ann", Currency: "EUR", OverdraftLimit: 50}).ThenRow("a-1", with(0, account.StatusOpen, 2)).
		Given(account.Deposited{HolderID: "ann", HolderName: "Ann", Amount: 100, Currency: "EUR"}).ThenRow("a-1", with(100, account.StatusOpen, 3)).
		Given(account.Withdrawn{HolderID: "ann", HolderName: "Ann", Amount: 30, Currency: "EUR"}).ThenRow("a-1", with(70, account.StatusOpen, 4)).
		Given(account.Debited{HolderID: "ann", HolderName: "Ann", Amount: 110, Currency: "EUR"}).ThenRow("a-1", with(-40, account.StatusOpen, 5)).
		Given(account.Frozen{HolderID: "ann", HolderName: "Ann"}).ThenRow("a-1", with(-40, account.StatusFrozen, 6)).
		Given(account.Refunded{HolderID: "ann", HolderName: "Ann", Amount: 110, Currency: "EUR"}).ThenRow("a-1", with(70, account.StatusFrozen, 7)).
		Given(account.DebitDeclined{HolderID: "ann", HolderName: "Ann", Amount: 9, Currency: "EUR"}).ThenRow("a-1", with(70, account.StatusFrozen, 8)).
		Given(account.Unfrozen{HolderID: "ann", HolderName: "Ann"}).ThenRow("a-1", with(70, account.StatusOpen, 9)).
		Given(account.Credited{HolderID: "ann", HolderName: "Ann", Amount: 1, Currency: "EUR"}).ThenRow("a-1", with(71, account.StatusOpen, 10)).
		Given(account.Closed{HolderID: "ann", HolderName: "Ann"}).ThenRow("a-1", with(71, account.StatusClosed, 11)).
		With(scenario.ID("a-2")).
		Given(account.Opened{HolderID: "bob", HolderName: "Bob", Currency: "USD"}).
		ThenKeys("a-1", "a-2")
}

func TestAccountsByHolder(t *testing.T) {
	listed := func(id, name, currency string, status account.Status) bank.HolderAccount {
		return bank.HolderAccount{AccountID: id, HolderName: name, Currency: currency, Status: status}
	}
	scenario.Projection(t, bank.AccountsByHolder()).
		With(scenario.ID("a-2")).Given(account.Opened{HolderID: "ann", HolderName: "Ann", Currency: "EUR"}).
		With(scenario.ID("a-1")).Given(account.Opened{HolderID: "ann", HolderName: "Ann Lee", Currency: "USD"}, account.Frozen{HolderID: "ann", HolderName: "Ann"}).
		With(scenario.ID("a-3")).Given(account.Opened{HolderID: "bob", HolderName: "Bob", Currency: "EUR"}, account.Closed{HolderID: "bob", HolderName: "Bob"}).
		ThenRow("ann", bank.AccountsByHolderRow{HolderID: "ann", Count: 2, Accounts: []bank.HolderAccount{
			listed("a-1", "Ann Lee", "USD", account.StatusFrozen), listed("a-2", "Ann", "EUR", account.StatusOpen)}}).
		ThenRow("bob", bank.AccountsByHolderRow{HolderID: "bob", Count: 1, Accounts: []bank.HolderAccount{listed("a-3", "Bob", "EUR", account.StatusClosed)}}).
		With(scenario.ID("a-1")).Given(account.Unfrozen{HolderID: "ann", HolderName: "Ann"}).
		ThenRow("ann", bank.AccountsByHolderRow{HolderID: "ann", Count: 2, Accounts: []bank.HolderAccount{
			listed("a-1", "Ann Lee", "USD", account.StatusOpen), listed("a-2", "Ann", "EUR", account.StatusOpen)}})
}

func TestAccountsByHolderSkipsWhatDoesNotShow(t *testing.T) {
	scenario.Projection(t, bank.AccountsByHolder()).Given(
		// never opened: no holder
		account.DebitDeclined{Reason: "unknown_aggregate"}, account.CreditDeclined{Reason: "unknown_aggregate"},
		account.Deposited{HolderID: "ann", HolderName: "Ann"}, account.Withdrawn{HolderID: "ann", HolderName: "Ann"}, account.Debited{HolderID: "ann", HolderName: "Ann"}, account.DebitDeclined{HolderID: "ann", HolderName: "Ann"},
		account.Credited{HolderID: "ann", HolderName: "Ann"}, account.CreditDeclined{HolderID: "ann", HolderName: "Ann"}, account.Refunded{HolderID: "ann", HolderName: "Ann"},
	).ThenKeys()
}

// TestAccountsByHolderIsBoundedAndIndependentOfOrder opens more accounts than a row lists, from
// both ends.
func TestAccountsByHolderIsBoundedAndIndependentOfOrder(t *testing.T) {
	const opened = bank.MaxListedAccounts + 5
	rows := make([]bank.AccountsByHolderRow, 2)
	p := bank.AccountsByHolder()
	project := func(row *bank.AccountsByHolderRow, id int, data account.Event) {
		*row = p.Project(*row, foldlog.Event[account.Event]{Meta: foldlog.Meta{AggregateID: fmt.Sprintf("a-%04d", id)}, Data: data})
	}
	for i := range opened {
		for side, id := range []int{i, opened - 1 - i} {
			project(&rows[side], id, account.Opened{HolderID: "ann", HolderName: "Ann", Currency: "EUR"})
			project(&rows[side], id, account.Frozen{HolderID: "ann", HolderName: "Ann"})
		}
	}
	if !reflect.DeepEqual(rows[0], rows[1]) {
		t.Error("the row depends on the order in which the accounts were opened")
	}
	row := rows[0]
	if row.Count != opened || len(row.Accounts) != bank.MaxListedAccounts {
		t.Fatalf("%d accounts counted, %d listed; want %d and %d", row.Count, len(row.Accounts), opened, bank.MaxListedAccounts)
	}
	for i, a := range row.Accounts {
		if want := fmt.Sprintf("a-%04d", i); a.AccountID != want || a.Status != account.StatusFrozen {
			t.Fatalf("account %d is %+v, want %s, frozen", i, a, want)
		}
	}
}

func TestDailyTurnover(t *testing.T) {
	feb28 := "2026-02-28"
	lateInUTC := time.Date(2026, time.March, 1, 23, 59, 59, 0, time.UTC)
	scenario.Projection(t, bank.DailyTurnover()).
		With(scenario.At(lateInUTC.In(time.FixedZone("east", 3*3600)))). // already March 2nd there
		Given(
			account.Deposited{HolderID: "ann", HolderName: "Ann", Amount: 100, Currency: "EUR"},
			account.Deposited{HolderID: "ann", HolderName: "Ann", Amount: 11, Currency: "EUR", BookedOn: &feb28},
			account.Withdrawn{HolderID: "ann", HolderName: "Ann", Amount: 7, Currency: "EUR", BookedOn: &feb28},
			account.Withdrawn{HolderID: "ann", HolderName: "Ann", Amount: 5, Currency: "USD"},
			account.Debited{HolderID: "ann", HolderName: "Ann", Amount: 3, Currency: "EUR"},
			account.Debited{HolderID: "ann", HolderName: "Ann", Amount: 4, Currency: "EUR"},
			account.Refunded{HolderID: "ann", HolderName: "Ann", Amount: 4, Currency: "EUR"},
		).
		With(scenario.ID("other")).
		Given(account.Deposited{HolderID: "bob", HolderName: "Bob", Amount: 1, Currency: "EUR"}, account.Credited{HolderID: "bob", HolderName: "Bob", Amount: 3, Currency: "EUR"}).
		ThenKeys("2026-02-28:EUR", "2026-03-01:EUR", "2026-03-01:USD").
		ThenRow("2026-02-28:EUR", bank.DailyTurnoverRow{
			Date: "2026-02-28", Currency: "EUR", Deposits: 11, DepositCount: 1, Withdrawals: 7, WithdrawalCount: 1}).
		ThenRow("2026-03-01:EUR", bank.DailyTurnoverRow{
			Date: "2026-03-01", Currency: "EUR", Deposits: 101, DepositCount: 2, Debits: 7, DebitCount: 2, Credits: 3, CreditCount: 1,
			Refunds: 4, RefundCount: 1}).
		ThenRow("2026-03-01:USD", bank.DailyTurnoverRow{Date: "2026-03-01", Currency: "USD", Withdrawals: 5, WithdrawalCount: 1})
}

func TestDailyTurnoverSkipsWhatMovesNothing(t *testing.T) {
	scenario.Projection(t, bank.DailyTurnover()).Given(
		account.Opened{HolderID: "ann", HolderName: "Ann", Currency: "EUR"}, account.Frozen{HolderID: "ann", HolderName: "Ann"}, account.Unfrozen{HolderID: "ann", HolderName: "Ann"}, account.Closed{HolderID: "ann", HolderName: "Ann"},
		account.DebitDeclined{Amount: 1, Currency: "EUR"}, account.CreditDeclined{Amount: 1, Currency: "EUR"},
	).ThenKeys()
}

func TestDailyTurnoverDoesNotWrapAround(t *testing.T) {
	days := scenario.Projection(t, bank.DailyTurnover())
	most := math.MaxInt64 / int64(rules.MaxAmount)
	for range most {
		days.Given(account.Deposited{Amount: rules.MaxAmount, Currency: "EUR"})
	}
	exact := bank.DailyTurnoverRow{Date: "2026-01-02", Currency: "EUR", Deposits: most * rules.MaxAmount, DepositCount: most}
	days.ThenRow("2026-01-02:EUR", exact)
	days.Given(account.Deposited{Amount: math.MaxInt64 % rules.MaxAmount, Currency: "EUR"})
	exact.Deposits, exact.DepositCount = math.MaxInt64, most+1
	days.ThenRow("2026-01-02:EUR", exact)
	days.Given(account.Deposited{Amount: 1, Currency: "EUR"}, account.Credited{Amount: 1, Currency: "EUR"})
	exact.DepositCount, exact.Credits, exact.CreditCount, exact.Saturated = most+2, 1, 1, true
	days.ThenRow("2026-01-02:EUR", exact)
}

func TestTransfers(t *testing.T) {
	start := time.Date(2026, time.March, 1, 10, 0, 0, 0, time.UTC)
	end := start.Add(3 * time.Second)
	row := bank.TransfersRow{From: "ann", To: "bob", Amount: 5, Currency: "EUR", Reference: "lunch", RequestedAt: start}
	with := func(id string, status transfer.Status, reason string, finished *time.Time) bank.TransfersRow {
		row.TransferID, row.Status, row.Reason, row.FinishedAt = id, status, reason, finished
		return row
	}
	requested := transfer.Requested{From: "ann", To: "bob", Amount: 5, Currency: "EUR", Reference: "lunch"}
	scenario.Projection(t, bank.Transfers()).
		With(scenario.At(start)).
		With(scenario.ID("done")).Given(requested).
		With(scenario.ID("poor")).Given(requested).
		With(scenario.ID("back")).Given(requested).
		ThenRow("done", with("done", transfer.StatusRequested, "", nil)).
		With(scenario.At(start.Add(time.Second))).
		With(scenario.ID("done")).Given(transfer.Debited{}).
		With(scenario.ID("back")).Given(transfer.Debited{}, transfer.Returning{Reason: "account_frozen"}).
		ThenRow("done", with("done", transfer.StatusDebited, "", nil)).
		ThenRow("back", with("back", transfer.StatusReturning, "account_frozen", nil)).
		With(scenario.At(end)).
		With(scenario.ID("done")).Given(transfer.Completed{}).
		With(scenario.ID("poor")).Given(transfer.Refused{Reason: "insufficient_funds"}).
		With(scenario.ID("back")).Given(transfer.Returned{Reason: "account_frozen"}).
		ThenRow("done", with("done", transfer.StatusCompleted, "", &end)).
		ThenRow("poor", with("poor", transfer.StatusRefused, "insufficient_funds", &end)).
		ThenRow("back", with("back", transfer.StatusReturned, "account_frozen", &end)).
		ThenKeys("done", "poor", "back")
}
