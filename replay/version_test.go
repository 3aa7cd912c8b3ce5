package replay_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/internal/versions"
	"github.com/foldlog/foldlog/proof/banknext"
	"github.com/foldlog/foldlog/replay/rebuild"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

// withSecondBalances declares version 2 of the balances, in which one account's holder is shouted.
func (s *system) withSecondBalances() {
	s.t.Helper()
	before := bank.Balances()
	second := topology.Projection("balances", "account", foldlog.Projection[bank.BalancesRow, account.Event]{
		Project: func(row bank.BalancesRow, e foldlog.Event[account.Event]) bank.BalancesRow {
			if row = before.Project(row, e); e.AggregateID == "b-3" {
				row.HolderName = strings.ToUpper(row.HolderName)
			}
			return row
		},
	}).AtVersion(2)
	top := *s.topology
	top.Projections = nil
	for _, p := range s.topology.Projections {
		top.Projections = append(top.Projections, p)
		if p.Name == "balances" {
			top.Projections = append(top.Projections, second.Beside(p))
		}
	}
	text, err := fs.ReadFile(bankschemas.Files, "balances-table/v2.avsc")
	if err == nil {
		s.codecs, err = codecsOf(s.t.Context(), &top, banknext.Joined(bankschemas.Files, fstest.MapFS{"balances.v2-table/v1.avsc": {Data: text}}))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.topology = &top
}

func (s *system) versions() rebuild.Config {
	return rebuild.Config{Reading: s.config(), Projection: "balances", By: "test", DataDir: s.t.TempDir()}
}

// A row that is not what the events lead to keeps queries where they are, until it is mended; what
// differs between versions is listed.
func TestWrongRowsAreNotServed(t *testing.T) {
	s := created(t, "versions.")
	stop := s.run()
	for _, id := range []string{"b-1", "b-2", "b-3"} {
		s.produce(s.command("account", id, "open", "open", `{"holder_id": "h", "holder_name": "Ann", "currency": "EUR", "overdraft_limit": 0}`),
			s.command("account", id, "deposit", "deposit", `{"amount": 5, "currency": "EUR", "reference": "r"}`))
	}
	s.settled()
	stop()
	s.withSecondBalances()
	config := s.versions()
	config.NoSwitch = true
	filled, err := rebuild.Run(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	want := []rebuild.Difference{{Key: "b-3", Column: "holder_name", Before: `"Ann"`, Now: `"ANN"`}}
	if c := filled.Comparison; filled.Total != 0 || filled.State.Stage != versions.Kept || c.Rows != 3 || c.Same != 2 || c.Differing != 1 ||
		!slices.Equal(c.Differences, want) {
		t.Errorf("filled: %+v, %+v", filled, c)
	}

	var wrong *kgo.Record
	for p, records := range s.read(s.names.Table("balances.v2")) {
		for _, r := range records {
			if string(r.Key) == "b-2" {
				wrong = &kgo.Record{Topic: r.Topic, Partition: int32(p), Key: r.Key}
			}
		}
	}
	wrong.Value = nil // as if the row had never been
	s.produce(wrong)
	config.NoSwitch = false
	spoiled, err := rebuild.Run(t.Context(), config)
	if !errors.Is(err, rebuild.ErrRefused) || spoiled.Total != 1 || spoiled.Findings[0].Key != "b-2" || spoiled.State.Serving != 1 || spoiled.Switched {
		t.Errorf("with a spoiled row: %v, %+v", err, spoiled)
	}
	if all, err := rebuild.Versions(t.Context(), config); err != nil || len(all) != 2 || all[0].Status != "serving" || all[1].Status != "kept" || all[1].Behind != 0 {
		t.Errorf("status: %+v, %v", all, err)
	}
	s.recover() // of both versions
	intact(t, s.verify())
	if mended, err := rebuild.Run(t.Context(), config); err != nil || !mended.Switched || mended.State.Serving != 2 {
		t.Errorf("mended: %+v, %v", mended, err)
	}
	dropped, err := rebuild.Drop(t.Context(), config)
	if err != nil || !slices.Equal(dropped.Topics, []string{"versions.balances-table", "versions.balances.dead-letters"}) || !slices.Equal(dropped.Groups, []string{"versions.balances"}) {
		t.Errorf("dropped: %+v, %v", dropped, err)
	}
}
