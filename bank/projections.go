package bank

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/bank/transfer"
)

// BalancesRow is one account, under its id. An account that only ever declined has a row, too, with
// status none.
type BalancesRow struct {
	AccountID  string `json:"account_id"`
	HolderID   string `json:"holder_id"`
	HolderName string `json:"holder_name"`
	Currency   string `json:"currency"`
	// Balance and OverdraftLimit are in minor units; a limit of -1 is none.
	Balance        int64          `json:"balance"`
	OverdraftLimit int64          `json:"overdraft_limit"`
	Status         account.Status `json:"status"`
	// Version is that of the account's last event in the row.
	Version int64 `json:"version"`
}

// Balances returns the projection of accounts to their balances, by account id.
func Balances() foldlog.Projection[BalancesRow, account.Event] {
	return foldlog.Projection[BalancesRow, account.Event]{Project: projectBalance}
}

func projectBalance(row BalancesRow, event foldlog.Event[account.Event]) BalancesRow {
	before := account.Initial()
	if row.Version > 0 {
		before = account.Account{
			Status: row.Status, HolderID: row.HolderID, HolderName: row.HolderName, Currency: row.Currency, OverdraftLimit: row.OverdraftLimit,
			Balance: row.Balance,
		}
	}
	after := account.Evolve(before, event)
	return BalancesRow{
		AccountID: event.AggregateID, HolderID: after.HolderID, HolderName: after.HolderName, Currency: after.Currency, Balance: after.Balance,
		OverdraftLimit: after.OverdraftLimit, Status: after.Status, Version: event.Version,
	}
}

// MaxListedAccounts is how many accounts of one holder are listed. The row is one Kafka record, so
// it must not grow without bound.
const MaxListedAccounts = 1000

// AccountsByHolderRow lists a holder's accounts, under the holder's id.
type AccountsByHolderRow struct {
	HolderID string `json:"holder_id"`
	// Count is how many accounts were ever opened for the holder.
	Count int64 `json:"count"`
	// Accounts are those whose ids come first, at most MaxListedAccounts, in ascending order of
	// their ids.
	Accounts []HolderAccount `json:"accounts"`
}

// HolderAccount is one account of a holder.
type HolderAccount struct {
	AccountID string `json:"account_id"`
	// HolderName is the holder's name as the account has it: accounts of one holder are opened by
	// different people.
	HolderName string         `json:"holder_name"`
	Currency   string         `json:"currency"`
	Status     account.Status `json:"status"`
}

// AccountsByHolder returns the projection of accounts to their holders, by holder id.
func AccountsByHolder() foldlog.Projection[AccountsByHolderRow, account.Event] {
	return foldlog.Projection[AccountsByHolderRow, account.Event]{Key: holderOf, Project: projectHolder}
}

// holderOf skips movements of money: nothing that the row shows follows from them.
func holderOf(event foldlog.Event[account.Event]) string {
	switch e := event.Data.(type) {
	case account.Opened:
		return e.HolderID
	case account.Frozen:
		return e.HolderID
	case account.Unfrozen:
		return e.HolderID
	case account.Closed:
		return e.HolderID
	case account.Deposited, account.Withdrawn, account.Debited, account.DebitDeclined, account.Credited, account.CreditDeclined,
		account.Refunded:
		return ""
	}
	panic(foldlog.Unhandled(event.Data))
}

func projectHolder(row AccountsByHolderRow, event foldlog.Event[account.Event]) AccountsByHolderRow {
	row.HolderID = holderOf(event)
	row.Accounts = slices.Clone(row.Accounts)
	at, listed := slices.BinarySearchFunc(row.Accounts, event.AggregateID, func(a HolderAccount, id string) int {
		return cmp.Compare(a.AccountID, id)
	})
	setStatus := func(s account.Status) {
		// else it comes after those that are listed, and will: the list only ever takes lower ids
		if listed {
			row.Accounts[at].Status = s
		}
	}
	switch e := event.Data.(type) {
	case account.Opened:
		row.Count++
		opened := HolderAccount{AccountID: event.AggregateID, HolderName: e.HolderName, Currency: e.Currency, Status: account.StatusOpen}
		row.Accounts = slices.Insert(row.Accounts, at, opened)
		row.Accounts = row.Accounts[:min(len(row.Accounts), MaxListedAccounts)]
	case account.Frozen:
		setStatus(account.StatusFrozen)
	case account.Unfrozen:
		setStatus(account.StatusOpen)
	case account.Closed:
		setStatus(account.StatusClosed)
	}
	return row
}

// DailyTurnoverRow sums the movements of one day in one currency, over all accounts, under
// "YYYY-MM-DD:CUR".
//
// Sums are in minor units. A sum that would pass 2^63-1 stays there and Saturated is set; it takes
// more than 9,000 movements of the largest amount. Counts are exact. The money in flight after a
// day is the debits less the credits and refunds, added up over the days.
type DailyTurnoverRow struct {
	// Date is booked_on if the movement has one, else the UTC date on which it was recorded.
	Date            string `json:"date"`
	Currency        string `json:"currency"`
	Deposits        int64  `json:"deposits"`
	DepositCount    int64  `json:"deposit_count"`
	Withdrawals     int64  `json:"withdrawals"`
	WithdrawalCount int64  `json:"withdrawal_count"`
	Debits          int64  `json:"debits"`
	DebitCount      int64  `json:"debit_count"`
	Credits         int64  `json:"credits"`
	CreditCount     int64  `json:"credit_count"`
	Refunds         int64  `json:"refunds"`
	RefundCount     int64  `json:"refund_count"`
	// Saturated says that at least one of the sums is too low, since it has reached the largest
	// number that fits.
	Saturated bool `json:"saturated"`
}

// DailyTurnover returns the projection of movements to days and currencies.
func DailyTurnover() foldlog.Projection[DailyTurnoverRow, account.Event] {
	return foldlog.Projection[DailyTurnoverRow, account.Event]{Key: turnoverKey, Project: projectTurnover}
}

func turnoverKey(event foldlog.Event[account.Event]) string {
	date, currency := turnoverDay(event)
	if currency == "" {
		return ""
	}
	return date + ":" + currency
}

// turnoverDay returns the day and currency of a movement. The currency is "" if nothing moved.
func turnoverDay(event foldlog.Event[account.Event]) (date, currency string) {
	date = event.RecordedAt.UTC().Format(time.DateOnly)
	switch e := event.Data.(type) {
	case account.Deposited:
		return bookedOr(e.BookedOn, date), e.Currency
	case account.Withdrawn:
		return bookedOr(e.BookedOn, date), e.Currency
	case account.Debited:
		return date, e.Currency
	case account.Credited:
		return date, e.Currency
	case account.Refunded:
		return date, e.Currency
	case account.Opened, account.Frozen, account.Unfrozen, account.Closed, account.DebitDeclined, account.CreditDeclined:
		return "", ""
	}
	panic(foldlog.Unhandled(event.Data))
}

func bookedOr(bookedOn *string, date string) string {
	if bookedOn != nil {
		return *bookedOn
	}
	return date
}

func projectTurnover(row DailyTurnoverRow, event foldlog.Event[account.Event]) DailyTurnoverRow {
	row.Date, row.Currency = turnoverDay(event)
	add := func(sum, count *int64, amount int64) {
		*count++
		if *sum > math.MaxInt64-amount {
			*sum, row.Saturated = math.MaxInt64, true
			return
		}
		*sum += amount
	}
	switch e := event.Data.(type) {
	case account.Deposited:
		add(&row.Deposits, &row.DepositCount, e.Amount)
	case account.Withdrawn:
		add(&row.Withdrawals, &row.WithdrawalCount, e.Amount)
	case account.Debited:
		add(&row.Debits, &row.DebitCount, e.Amount)
	case account.Credited:
		add(&row.Credits, &row.CreditCount, e.Amount)
	case account.Refunded:
		add(&row.Refunds, &row.RefundCount, e.Amount)
	}
	return row
}

// TransfersRow is one transfer, under its id.
type TransfersRow struct {
	TransferID string `json:"transfer_id"`
	From       string `json:"from"`
	To         string `json:"to"`
	// Amount is in minor units.
	Amount    int64           `json:"amount"`
	Currency  string          `json:"currency"`
	Reference string          `json:"reference"`
	Status    transfer.Status `json:"status"`
	// Reason is the code of the account that declined; empty if none did.
	Reason      string    `json:"reason"`
	RequestedAt time.Time `json:"requested_at"`
	// FinishedAt is nil until the transfer is in a final state.
	FinishedAt *time.Time `json:"finished_at"`
}

// Transfers returns the projection of transfers, by transfer id.
func Transfers() foldlog.Projection[TransfersRow, transfer.Event] {
	return foldlog.Projection[TransfersRow, transfer.Event]{Project: projectTransfer}
}

func projectTransfer(row TransfersRow, event foldlog.Event[transfer.Event]) TransfersRow {
	after := transfer.Evolve(transfer.Transfer{
		Status: row.Status, From: row.From, To: row.To, Amount: row.Amount, Currency: row.Currency, Reference: row.Reference, Reason: row.Reason,
	}, event)
	if _, first := event.Data.(transfer.Requested); first {
		row.RequestedAt = event.RecordedAt
	}
	if after.Status.Final() {
		finished := event.RecordedAt
		row.FinishedAt = &finished
	}
	return TransfersRow{
		TransferID: event.AggregateID, From: after.From, To: after.To, Amount: after.Amount, Currency: after.Currency, Reference: after.Reference,
		Status: after.Status, Reason: after.Reason, RequestedAt: row.RequestedAt, FinishedAt: row.FinishedAt,
	}
}
