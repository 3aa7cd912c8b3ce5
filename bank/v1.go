package bank

import "github.com/foldlog/foldlog/bank/account"

// The forms that rows had before holder became holder_id and holder_name. Processes of the release
// before write them during a rolling upgrade, and a row keeps its form until its next event.
//
// NB: must not change. Tables have rows of these forms.

// BalancesRowV1 is [BalancesRow] as version 1 of the schema has it.
type BalancesRowV1 struct {
	AccountID      string         `json:"account_id"`
	Holder         string         `json:"holder"`
	Currency       string         `json:"currency"`
	Balance        int64          `json:"balance"`
	OverdraftLimit int64          `json:"overdraft_limit"`
	Status         account.Status `json:"status"`
	Version        int64          `json:"version"`
}

// Upcast returns today's form.
func (old BalancesRowV1) Upcast() BalancesRow {
	return BalancesRow{AccountID: old.AccountID, HolderID: old.Holder, HolderName: old.Holder, Currency: old.Currency, Balance: old.Balance,
		OverdraftLimit: old.OverdraftLimit, Status: old.Status, Version: old.Version}
}

// AccountsByHolderRowV1 is [AccountsByHolderRow] as version 1 of the schema has it.
type AccountsByHolderRowV1 struct {
	Holder   string            `json:"holder"`
	Count    int64             `json:"count"`
	Accounts []HolderAccountV1 `json:"accounts"`
}

// HolderAccountV1 is [HolderAccount] as version 1 of the schema has it.
type HolderAccountV1 struct {
	AccountID string         `json:"account_id"`
	Currency  string         `json:"currency"`
	Status    account.Status `json:"status"`
}

// Upcast returns today's form.
func (old AccountsByHolderRowV1) Upcast() AccountsByHolderRow {
	row := AccountsByHolderRow{HolderID: old.Holder, Count: old.Count}
	for _, a := range old.Accounts {
		row.Accounts = append(row.Accounts, HolderAccount{AccountID: a.AccountID, HolderName: old.Holder, Currency: a.Currency, Status: a.Status})
	}
	return row
}
