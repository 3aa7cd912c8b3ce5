package interop

import (
	"encoding/json"
	"testing"
)

// testDuckDB exports the events to Parquet and compares what the queries say with the ledger.
func (s *system) testDuckDB(t *testing.T, want ledger) {
	start := python(t)
	dir := t.TempDir()
	t.Logf("exported %s", s.run(t, start, nil, "export.py", dir))
	query := func(name string) []byte { return s.run(t, start, nil, "../duckdb/query.py", dir, "../duckdb/"+name) }

	got := ledger{Accounts: map[string]account{}, Totals: map[string]amount{}}
	for _, row := range parse[[]struct {
		AccountID string `json:"account_id"`
		Currency  string
		Balance   int64
		Version   int64
	}](t, query("balances.sql")) {
		got.Accounts[row.AccountID] = account{Currency: row.Currency, Balance: amount(row.Balance), Version: row.Version}
	}
	for _, row := range parse[[]struct {
		Currency string
		Accounts int64
		InFlight json.Number `json:"in_flight"`
	}](t, query("totals.sql")) {
		got.Totals[row.Currency] = amount(row.Accounts)
		if row.InFlight != "0" { // every transfer has come to its end
			t.Errorf("%s %s are in flight", row.InFlight, row.Currency)
		}
	}
	compare(t, got, want)

	transfers := map[string]transferRow{}
	last := map[string]string{"TransferCompleted": "completed", "TransferRefused": "refused", "TransferReturned": "returned"}
	for _, r := range parse[[]struct {
		TransferID string `json:"transfer_id"`
		LastEvent  string `json:"last_event"`
		transferRow
	}](t, query("transfers.sql")) {
		r.Status = last[r.LastEvent]
		transfers[r.TransferID] = r.transferRow
	}
	if len(transfers) == 0 {
		t.Error("no transfers were exported")
	}
	compareMaps(t, "transfer", transfers, s.transfers(t))
}
