package banknext

import (
	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
)

// docs/read-models.md shows what follows.

// BalancesRowV2 is an account with its balance, and what was ever paid in.
type BalancesRowV2 struct {
	AccountID      string         `json:"account_id"`
	HolderID       string         `json:"holder_id"`
	HolderName     string         `json:"holder_name"`
	Currency       string         `json:"currency"`
	Balance        int64          `json:"balance"`
	OverdraftLimit int64          `json:"overdraft_limit"`
	Status         account.Status `json:"status"`
	Version        int64          `json:"version"`
	DepositedTotal int64          `json:"deposited_total"`
}

// BalancesV2 projects accounts to their balances and deposits.
func BalancesV2() foldlog.Projection[BalancesRowV2, account.Event] {
	before := bank.Balances()
	return foldlog.Projection[BalancesRowV2, account.Event]{
		Project: func(row BalancesRowV2, event foldlog.Event[account.Event]) BalancesRowV2 {
			b := before.Project(bank.BalancesRow{
				AccountID: row.AccountID, HolderID: row.HolderID, HolderName: row.HolderName, Currency: row.Currency, Balance: row.Balance,
				OverdraftLimit: row.OverdraftLimit, Status: row.Status, Version: row.Version,
			}, event)
			total := row.DepositedTotal
			if deposited, ok := event.Data.(account.Deposited); ok {
				total += deposited.Amount
			}
			return BalancesRowV2{
				AccountID: b.AccountID, HolderID: b.HolderID, HolderName: b.HolderName, Currency: b.Currency, Balance: b.Balance,
				OverdraftLimit: b.OverdraftLimit, Status: b.Status, Version: b.Version, DepositedTotal: total,
			}
		},
	}
}
