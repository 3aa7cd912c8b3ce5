package bankapp

import (
	"fmt"
	"math"

	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/bank/rules"
	"github.com/foldlog/foldlog/client"
)

// importCurrency is the currency of the data set: Czech crowns, with haleru as minor units.
const importCurrency = "CZK"

// planned is an account with the sums of its rows.
type planned struct {
	id      string
	balance int64
}

// step is a command of the import with the place of the row that it comes from; an account's
// opening has that of its first row.
type step struct {
	command client.Command
	place   string
}

// plan is everything that is to be sent.
type plan struct {
	accounts []planned
	// shards are lists of steps that may run beside each other. All steps of an account are in one
	// list, in order.
	shards [][]step
	steps  int
}

// planImport turns rows into commands: an opening before each account's first row, then its rows in
// their order, spread over at most workers shards.
//
// NB: ids of accounts, holders and commands must not change, or a rerun would import everything a
// second time.
func planImport(movements []movement, workers int) (plan, error) {
	type place struct{ account, shard int }
	var p plan
	places := map[int64]place{}
	add := func(shard int, s step) {
		p.shards[shard] = append(p.shards[shard], s)
		p.steps++
	}
	for _, m := range movements {
		at, known := places[m.accountID]
		if !known {
			at = place{account: len(p.accounts), shard: len(p.accounts) % workers}
			places[m.accountID] = at
			p.accounts = append(p.accounts, planned{id: fmt.Sprintf("berka-%d", m.accountID)})
			if at.shard == len(p.shards) {
				p.shards = append(p.shards, nil)
			}
			add(at.shard, step{command: opening(m.accountID), place: m.place})
		}
		target := &p.accounts[at.account]
		signed := m.amount
		if !m.deposit {
			signed = -signed
		}
		if sumOverflows(target.balance, signed) {
			return p, fmt.Errorf("%s: the rows of account %d add up to more than the bank can hold", m.place, m.accountID)
		}
		target.balance += signed
		add(at.shard, step{command: movementCommand(target.id, m), place: m.place})
	}
	return p, nil
}

// sumOverflows says whether a balance would leave the bank's range.
func sumOverflows(balance, change int64) bool {
	if change > 0 && balance > math.MaxInt64-change || change < 0 && balance < math.MinInt64-change {
		return true
	}
	sum := balance + change
	return sum > rules.MaxBalance || sum < -rules.MaxBalance
}

func opening(accountID int64) client.Command {
	holder := fmt.Sprintf("berka-holder-%d", accountID)
	return client.Command{
		Aggregate: bank.AccountAggregate,
		ID:        fmt.Sprintf("berka-%d", accountID),
		Type:      "open",
		CommandID: fmt.Sprintf("berka-open-%d", accountID),
		Data: account.Open{
			HolderID:       holder,
			HolderName:     holder,
			Currency:       importCurrency,
			OverdraftLimit: rules.UnlimitedOverdraft,
		},
	}
}

func movementCommand(accountID string, m movement) client.Command {
	c := client.Command{Aggregate: bank.AccountAggregate, ID: accountID, CommandID: fmt.Sprintf("berka-%d", m.transID)}
	day := m.date
	if m.deposit {
		c.Type = "deposit"
		c.Data = account.Deposit{Amount: m.amount, Currency: importCurrency, Reference: m.reference, BookedOn: &day, Channel: account.ChannelUnknown}
	} else {
		c.Type = "withdraw"
		c.Data = account.Withdraw{Amount: m.amount, Currency: importCurrency, Reference: m.reference, BookedOn: &day, Channel: account.ChannelUnknown}
	}
	return c
}
