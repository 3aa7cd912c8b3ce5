package check

import (
	"math"
	"slices"
	"sort"
	"time"
)

// rows are the rows of all projections as the events lead to them, as JSON has them: numbers are
// int64, times microseconds (see [normal]).
type rows map[string]map[string]map[string]any

const listedAccounts = 1000

// projections are the names of all projections and the aggregate type that each follows.
var projections = []struct {
	name, source string
	rekeyed      bool
}{
	{"balances", "account", false},
	{"accounts-by-holder", "account", true},
	{"daily-turnover", "account", true},
	{"transfers", "transfer", false},
}

// holderKey returns the id of the holder whose row an event changes; "" for none.
func holderKey(e *event) string {
	switch e.kind {
	case "AccountOpened", "AccountFrozen", "AccountUnfrozen", "AccountClosed":
		return e.holderID
	}
	return ""
}

// turnoverDay returns the day on which an event moved money; ok is false if nothing moved.
func turnoverDay(e *event) (day string, ok bool) {
	day = time.UnixMicro(e.recordedAt).UTC().Format(time.DateOnly)
	switch e.kind {
	case "Deposited", "Withdrawn":
		if e.booked {
			day = e.bookedOn
		}
		return day, true
	case "Debited", "Credited", "Refunded":
		return day, true
	}
	return "", false
}

func turnoverKey(e *event) string {
	day, ok := turnoverDay(e)
	if !ok || e.currency == "" {
		return ""
	}
	return day + ":" + e.currency
}

// rekeyedKey returns the key of the row of a re-keyed projection that an event changes; "" for
// none.
func rekeyedKey(projection string, e *event) string {
	if projection == "daily-turnover" {
		return turnoverKey(e)
	}
	return holderKey(e)
}

// projector builds the rows.
type projector struct {
	holders   map[string]*holderRow
	turnovers map[string]*turnoverRow
	requested map[string]int64 // transfer id -> microseconds
	finished  map[string]int64
}

type holderRow struct {
	count    int64
	accounts map[string]holderAccount
}

type holderAccount struct{ name, currency, status string }

type turnoverRow struct {
	day, currency string
	sums, counts  map[string]int64
	saturated     bool
}

func newProjector() *projector {
	return &projector{holders: map[string]*holderRow{}, turnovers: map[string]*turnoverRow{}, requested: map[string]int64{}, finished: map[string]int64{}}
}

// turnoverFields are the names of sum and count for each event.
var turnoverFields = map[string][2]string{
	"Deposited": {"deposits", "deposit_count"}, "Withdrawn": {"withdrawals", "withdrawal_count"}, "Debited": {"debits", "debit_count"},
	"Credited": {"credits", "credit_count"}, "Refunded": {"refunds", "refund_count"},
}

func (p *projector) add(e *event) {
	if key := holderKey(e); key != "" {
		p.addHolder(key, e)
	}
	if key := turnoverKey(e); key != "" {
		row := p.turnovers[key]
		if row == nil {
			day, _ := turnoverDay(e)
			row = &turnoverRow{day: day, currency: e.currency, sums: map[string]int64{}, counts: map[string]int64{}}
			p.turnovers[key] = row
		}
		name := turnoverFields[e.kind]
		row.counts[name[1]]++
		if sum := row.sums[name[0]]; sum > math.MaxInt64-e.amount {
			row.sums[name[0]], row.saturated = math.MaxInt64, true
		} else {
			row.sums[name[0]] = sum + e.amount
		}
	}
	switch e.kind {
	case "TransferRequested":
		p.requested[e.aggregateID] = e.recordedAt
	case "TransferRefused", "TransferCompleted", "TransferReturned":
		p.finished[e.aggregateID] = e.recordedAt
	}
}

func (p *projector) addHolder(key string, e *event) {
	row := p.holders[key]
	if row == nil {
		row = &holderRow{accounts: map[string]holderAccount{}}
		p.holders[key] = row
	}
	status := map[string]string{"AccountOpened": "open", "AccountFrozen": "frozen", "AccountUnfrozen": "open", "AccountClosed": "closed"}[e.kind]
	account, known := row.accounts[e.aggregateID]
	if e.kind == "AccountOpened" {
		row.count++
		account = holderAccount{name: e.holderName, currency: e.currency}
	} else if !known {
		return
	}
	account.status = status
	row.accounts[e.aggregateID] = account
}

// rows returns all rows, given the folded aggregates.
func (p *projector) rows(folds map[string]map[string]*fold) rows {
	out := rows{"balances": {}, "accounts-by-holder": {}, "daily-turnover": {}, "transfers": {}}
	for id, f := range folds["account"] {
		row := f.state.document("account")
		row["account_id"], row["version"] = id, f.version
		out["balances"][id] = row
	}
	for holder, row := range p.holders {
		ids := make([]string, 0, len(row.accounts))
		for id := range row.accounts {
			ids = append(ids, id)
		}
		sort.Strings(ids)
		list := []any{}
		for _, id := range ids[:min(len(ids), listedAccounts)] {
			a := row.accounts[id]
			list = append(list, map[string]any{"account_id": id, "holder_name": a.name, "currency": a.currency, "status": a.status})
		}
		out["accounts-by-holder"][holder] = map[string]any{"holder_id": holder, "count": row.count, "accounts": list}
	}
	for key, row := range p.turnovers {
		r := map[string]any{"date": row.day, "currency": row.currency, "saturated": row.saturated}
		for _, name := range turnoverFields {
			r[name[0]], r[name[1]] = row.sums[name[0]], row.counts[name[1]]
		}
		out["daily-turnover"][key] = r
	}
	for id, f := range folds["transfer"] {
		row := f.state.document("transfer")
		row["transfer_id"], row["requested_at"], row["finished_at"] = id, p.requested[id], nil
		if at, ok := p.finished[id]; ok {
			row["finished_at"] = at
		}
		out["transfers"][id] = row
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
