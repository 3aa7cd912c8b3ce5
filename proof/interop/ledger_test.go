package interop

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/foldlog/foldlog/client"
)

// ledger is what accounts have, as consumers print it.
type ledger struct {
	Accounts map[string]account
	Totals   map[string]amount
}

type account struct {
	Currency string
	Balance  amount
	Version  int64
}

// amount is in minor units. Consumers print it as a string.
type amount int64

func (a *amount) UnmarshalJSON(text []byte) error {
	var n int64
	var s string
	err := json.Unmarshal(text, &s)
	if err == nil {
		err = json.Unmarshal([]byte(s), &n)
	}
	*a = amount(n)
	return err
}

// ledger returns what the bank itself says, once its views have seen everything that is in the log:
// each account's row in the view of balances, which for accounts that took commands must be its
// state.
func (s *system) ledger(t *testing.T) ledger {
	t.Helper()
	versions := map[string]int64{}
	for _, e := range s.read(t, "account.events") {
		versions[string(e.Key)]++
		if e.fields["version"] != versions[string(e.Key)] {
			t.Fatalf("account %s: version %d comes where %d is due", e.Key, e.fields["version"], versions[string(e.Key)])
		}
	}
	delete(versions, ofUnknownKind) // the ledger knows nothing of it
	l := ledger{Accounts: map[string]account{}, Totals: map[string]amount{}}
	for _, id := range slices.Sorted(maps.Keys(versions)) {
		var row balanceRow
		eventually(t, "the view has all events of account "+id, func() error {
			got, err := s.http.ViewRow(t.Context(), "balances", id, nil)
			if err != nil {
				return err
			}
			if row = parse[balanceRow](t, got.Data); row.Version != versions[id] {
				return fmt.Errorf("version %d of %d", row.Version, versions[id])
			}
			return nil
		})
		if row.Status == "none" { // it has only ever declined
			continue
		}
		l.Accounts[id] = account{Currency: row.Currency, Balance: amount(row.Balance), Version: row.Version}
		l.Totals[row.Currency] += amount(row.Balance)
		if isWrittenByHand(id) {
			continue
		}
		state, err := s.http.State(t.Context(), "account", id, nil)
		if err != nil || state.Version != row.Version || balanceOf(t, state.Data) != row.Balance {
			t.Errorf("account %s: state %s at version %d, row %+v, %v", id, state.Data, state.Version, row, err)
		}
	}
	return l
}

// transfers returns the rows of the view of transfers, by id.
func (s *system) transfers(t *testing.T) map[string]transferRow {
	t.Helper()
	rows := map[string]transferRow{}
	for row, err := range s.http.ViewRows(t.Context(), "transfers", client.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		rows[row.Key] = parse[transferRow](t, row.Data)
	}
	return rows
}

// balanceRow and transferRow are what the bank's views show.
type balanceRow struct {
	Currency, Status string
	Balance, Version int64
}

type transferRow struct {
	From, To, Currency, Status string
	Amount                     int64
}

func balanceOf(t *testing.T, state json.RawMessage) int64 {
	t.Helper()
	return parse[struct{ Balance int64 }](t, state).Balance
}

func parse[T any](t *testing.T, text []byte) (value T) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value
}

// compare reports every difference.
func compare(t *testing.T, got, want ledger) {
	t.Helper()
	compareMaps(t, "account", got.Accounts, want.Accounts)
	compareMaps(t, "total in", got.Totals, want.Totals)
}

func compareMaps[V comparable](t *testing.T, what string, got, want map[string]V) {
	t.Helper()
	for key, value := range want {
		if have, ok := got[key]; !ok || have != value {
			t.Errorf("%s %s: %+v (there: %v), the ledger has %+v", what, key, have, ok, value)
		}
	}
	for key, value := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%s %s: %+v, of which the ledger knows nothing", what, key, value)
		}
	}
}
