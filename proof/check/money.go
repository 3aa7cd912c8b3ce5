package check

import (
	"math/big"
)

// ledger adds up what moved, by currency. Sums have no bound.
type ledger struct {
	paidIn map[string]*big.Int // deposits less withdrawals
	flying map[string]*flight  // by transfer
}

// flight is the money that left an account for a transfer and has not arrived.
type flight struct {
	currency string
	amount   *big.Int
}

func newLedger() *ledger {
	return &ledger{paidIn: map[string]*big.Int{}, flying: map[string]*flight{}}
}

func addTo(m map[string]*big.Int, key string, n int64) {
	if m[key] == nil {
		m[key] = new(big.Int)
	}
	m[key].Add(m[key], big.NewInt(n))
}

func (l *ledger) add(e *event) {
	sign := int64(1)
	switch e.kind {
	case "Deposited":
		addTo(l.paidIn, e.currency, e.amount)
		return
	case "Withdrawn":
		addTo(l.paidIn, e.currency, -e.amount)
		return
	case "Debited":
	case "Credited", "Refunded":
		sign = -1
	default:
		return
	}
	f := l.flying[e.transferID]
	if f == nil {
		f = &flight{e.currency, new(big.Int)}
		l.flying[e.transferID] = f
	}
	f.amount.Add(f.amount, big.NewInt(sign*e.amount))
}

// checkMoney decides I9, on the state table: balances + in flight = deposits - withdrawals, and
// nothing is in flight.
func (d *dump) checkMoney(f *folding, tables map[string]map[string]*tableState) {
	balances := map[string]*big.Int{}
	for _, id := range sortedKeys(tables["account"]) {
		s := tables["account"][id].state
		addTo(balances, s.currency, s.balance)
		d.checked(Conserved, 1)
	}
	flying := map[string]*big.Int{}
	for _, id := range sortedKeys(f.money.flying) {
		one := f.money.flying[id]
		if flying[one.currency] == nil {
			flying[one.currency] = new(big.Int)
		}
		flying[one.currency].Add(flying[one.currency], one.amount)
		if one.amount.Sign() != 0 {
			d.violate(Conserved, "transfer "+id, "%s %s left an account and neither arrived nor came back", one.amount, one.currency)
		}
	}
	currencies := map[string]bool{}
	for _, m := range []map[string]*big.Int{balances, flying, f.money.paidIn} {
		for c := range m {
			currencies[c] = true
		}
	}
	sum := func(m map[string]*big.Int, c string) *big.Int {
		if m[c] == nil {
			return new(big.Int)
		}
		return m[c]
	}
	for _, c := range sortedKeys(currencies) {
		have := new(big.Int).Add(sum(balances, c), sum(flying, c))
		if have.Cmp(sum(f.money.paidIn, c)) != 0 {
			d.violate(Conserved, "currency "+c, "accounts have %s and %s are in flight, but deposits less withdrawals are %s", sum(balances, c), sum(flying, c), sum(f.money.paidIn, c))
		}
	}
	for _, id := range sortedKeys(f.folds["transfer"]) {
		d.checked(Conserved, 1)
		if one := f.folds["transfer"][id]; !one.state.isFinal() {
			d.violate(Conserved, "transfer "+id, "is unfinished: it is %s (last event %s)", one.state.statusText(), one.last.in(d.names.events("transfer")))
		}
	}
}
