package bankv1

import (
	"cmp"
	"slices"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/proof/bankv1/account"
)

// BalancesRow is one account, under its id. An account that only ever declined has a row, too, with
// status none.
type BalancesRow struct {
	AccountID string `json:"account_id"`
	Holder    string `json:"holder"`
	Currency  string `json:"currency"`
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
			Status: row.Status, Holder: row.Holder, Currency: row.Currency, OverdraftLimit: row.OverdraftLimit, Balance: row.Balance,
		}
	}
	after := account.Evolve(before, event)
	return BalancesRow{
		AccountID: event.AggregateID, Holder: after.Holder, Currency: after.Currency, Balance: after.Balance,
		OverdraftLimit: after.OverdraftLimit, Status: after.Status, Version: event.Version,
	}
}

// MaxListedAccounts is how many accounts of one holder are listed. The row is one Kafka record, so
// it must not grow without bound.
const MaxListedAccounts = 1000

// AccountsByHolderRow lists a holder's accounts, under the holder.
type AccountsByHolderRow struct {
	Holder string `json:"holder"`
	// Count is how many accounts were ever opened for the holder.
	Count int64 `json:"count"`
	// Accounts are those whose ids come first, at most MaxListedAccounts, in ascending order of
	// their ids.
	Accounts []HolderAccount `json:"accounts"`
}

// HolderAccount is one account of a holder.
type HolderAccount struct {
	AccountID string         `json:"account_id"`
	Currency  string         `json:"currency"`
	Status    account.Status `json:"status"`
}

// AccountsByHolder returns the projection of accounts to their holders.
func AccountsByHolder() foldlog.Projection[AccountsByHolderRow, account.Event] {
	return foldlog.Projection[AccountsByHolderRow, account.Event]{Key: holderOf, Project: projectHolder}
}

// holderOf skips movements of money: nothing that the row shows follows from them.
func holderOf(event foldlog.Event[account.Event]) string {
	switch e := event.Data.(type) {
	case account.Opened:
		return e.Holder
	case account.Frozen:
		return e.Holder
	case account.Unfrozen:
		return e.Holder
	case account.Closed:
		return e.Holder
	case account.Deposited, account.Withdrawn, account.Debited, account.DebitDeclined, account.Credited, account.CreditDeclined,
		account.Refunded:
		return ""
	}
	panic(foldlog.Unhandled(event.Data))
}

func projectHolder(row AccountsByHolderRow, event foldlog.Event[account.Event]) AccountsByHolderRow {
	row.Holder = holderOf(event)
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
		opened := HolderAccount{AccountID: event.AggregateID, Currency: e.Currency, Status: account.StatusOpen}
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
