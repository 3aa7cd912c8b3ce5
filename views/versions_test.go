package views

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"testing"
	"testing/fstest"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/versions"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

// twoFiles has the files of two file systems.
type twoFiles struct{ first, second fs.FS }

func (f twoFiles) Open(name string) (fs.File, error) {
	if file, err := f.second.Open(name); err == nil && name != "." {
		return file, nil
	}
	return f.first.Open(name)
}

// withSecondBalances declares balances at version 2, with the same rows, and makes their topics.
func (s *system) withSecondBalances() {
	s.t.Helper()
	var parts []topology.Part
	for _, a := range s.topology.Aggregates {
		parts = append(parts, a)
	}
	for _, p := range s.topology.Projections {
		if p.Name == "balances" {
			p = topology.Projection("balances", "account", bank.Balances()).AtVersion(2).Beside(p)
		}
		parts = append(parts, p)
	}
	s.topology = topology.New("bank", parts...)
	text, err := fs.ReadFile(bankschemas.Files, "balances-table/v2.avsc")
	if err != nil {
		s.t.Fatal(err)
	}
	set, err := schemas.Load(twoFiles{bankschemas.Files, fstest.MapFS{"balances.v2-table/v1.avsc": {Data: text}}}, s.topology)
	if err != nil {
		s.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if s.codecs, err = codecs.New(s.t.Context(), s.topology, topology.Names{}, set, schemas.New(schemas.Config{URL: s.broker.RegistryURL()}, log), log); err != nil {
		s.t.Fatal(err)
	}
	if _, err := cluster.EnsureTopics(soon(s.t), s.cluster, s.topology, s.settings); err != nil {
		s.t.Fatal(err)
	}
}

// say records which version of balances serves.
func (s *system) say(state versions.State) {
	s.t.Helper()
	state.Projection = "balances"
	if err := versions.Write(soon(s.t), s.cluster, topology.Names{}, state); err != nil {
		s.t.Fatal(err)
	}
}

// follower follows which versions serve until the test ends.
func (s *system) follower() *versions.Follower {
	s.t.Helper()
	resolved, err := versions.Resolve(soon(s.t), s.cluster, s.topology, topology.Names{})
	if err != nil {
		s.t.Fatal(err)
	}
	f := resolved.Follow(s.cluster, topology.Names{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	})
	return f
}

// Two query servers follow the record: each goes over to the other version once it has that one,
// and answers all the time.
func TestServersSwitchVersions(t *testing.T) {
	s := newSystem(t)
	s.withSecondBalances()
	second := s.row("balances.v2", "a", bank.BalancesRow{AccountID: "a", Balance: 20, Version: 1})
	produce(t, s.producer, s.balanceRow("a", 10), second)
	var sets []*running
	for range 2 {
		f, dir := s.follower(), t.TempDir()
		sets = append(sets, s.start(func(c *Config) { c.Versions, c.DataDir = f, dir }))
	}
	other := func(set *running, version int) *Table { return set.projections["balances"].tables[version] }
	serves := func(version int) {
		t.Helper()
		for _, set := range sets {
			eventually(t, func() error {
				table := set.Projection("balances")
				// never fails, whatever version answers
				have, err := balance(soon(t), table, "a", nil)
				if err != nil || have != int64(10*table.Version()) {
					t.Fatalf("version %d answers %d, %v", table.Version(), have, err)
				}
				if table.Version() != version {
					return fmt.Errorf("version %d serves, want %d", table.Version(), version)
				}
				return nil
			})
		}
	}
	serves(1)
	if err := other(sets[0], 2).replica.check(); !errors.Is(err, ErrNotReady) {
		t.Errorf("a version that is not live is replicated: %v", err)
	}
	s.say(versions.State{Serving: 1, Other: 2, Stage: versions.Filling})
	for _, set := range sets {
		eventually(t, other(set, 2).replica.check)
	}
	serves(1)

	// A read that waits on version 1 ends there; one that begins after the switch waits for version
	// 2's own progress.
	home := homeOf("a")
	wanted := foldlog.Token{at(home, 7)}
	answers := make(chan error, 1)
	began := sets[0].Projection("balances")
	go func() {
		have, err := balance(soon(t), began, "a", wanted)
		if err == nil && have != 10 {
			err = fmt.Errorf("balance %d", have)
		}
		answers <- err
	}()
	eventually(t, func() error { return waiting(began.progress, home) })
	s.say(versions.State{Serving: 2, Other: 1, Stage: versions.Kept})
	serves(2)
	produce(t, s.producer, progressRecord("balances-table", home, wanted[0]))
	if err := <-answers; err != nil {
		t.Errorf("a read from before the switch: %v", err)
	}
	_, err := balance(briefly(t), sets[0].Projection("balances"), "a", wanted)
	wantError(t, err, ErrNotYetVisible)
	produce(t, s.producer, progressRecord("balances.v2-table", home, wanted[0]))
	if have, err := balance(soon(t), sets[0].Projection("balances"), "a", wanted); err != nil || have != 20 {
		t.Errorf("version 2 with its progress: %d, %v", have, err)
	}

	// Dropped, nobody replicates it, nobody is unready for it, and it does not lag. Asked for
	// again, it serves once it is recovered.
	for _, set := range sets {
		eventually(t, func() error { return lagging(set, "balances-table", true) })
	}
	s.say(versions.State{Serving: 2})
	for _, set := range sets {
		eventually(t, func() error {
			if other(set, 1).replica.check() == nil {
				return errStill
			}
			return errors.Join(set.Ready(), lagging(set, "balances-table", false))
		})
	}
	s.say(versions.State{Serving: 1, Other: 2, Stage: versions.Kept})
	serves(1)
}

// lagging returns an error unless the lag of a topic is told, or is not.
func lagging(set *running, topic string, want bool) error {
	families, err := set.metrics.Gather()
	if err != nil {
		return err
	}
	told := false
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				told = told || family.GetName() == "foldlog_view_lag_records" && label.GetName() == "topic" && label.GetValue() == topic
			}
		}
	}
	if told != want {
		return fmt.Errorf("the lag of %s is told: %t, want %t", topic, told, want)
	}
	return nil
}
