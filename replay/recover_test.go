package replay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/replay/recovery"
	"github.com/foldlog/foldlog/topology"
)

func (s *system) config() kit.Config {
	return kit.Config{Topology: s.topology, Settings: s.settings, Codecs: s.codecs, Cluster: s.cluster, TempDir: s.t.TempDir()}
}

// created returns a system with topics.
func created(t testing.TB, prefix string) *system {
	t.Helper()
	s := newSystem(t, prefix)
	if _, err := cluster.EnsureTopics(t.Context(), s.cluster, s.topology, s.settings); err != nil {
		t.Fatal(err)
	}
	return s
}

// lose deletes every topic but commands, outcomes and events, and with offsets true the offsets of
// all consumer groups.
func (s *system) lose(offsets bool) {
	s.t.Helper()
	kept := map[string]bool{}
	for _, a := range s.topology.Aggregates {
		kept[s.names.Commands(a.Name)], kept[s.names.Outcomes(a.Name)], kept[s.names.Events(a.Name)] = true, true, true
	}
	var gone []string
	for _, topic := range s.topology.Topics(s.settings) {
		if !kept[topic.Name] {
			gone = append(gone, topic.Name)
		}
	}
	deleted, err := s.admin.DeleteTopics(s.t.Context(), gone...)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if !offsets {
		return
	}
	groups, err := s.admin.DeleteGroups(s.t.Context(), keys(s.inputs())...)
	if err == nil {
		err = groups.Error()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// rows returns the last row of each key of all tables.
func (s *system) rows() map[string][]byte {
	s.t.Helper()
	all := map[string][]byte{}
	table := func(name string) {
		for _, records := range s.read(s.names.Table(name)) {
			for _, r := range records {
				if !strings.HasPrefix(string(r.Key), topology.ProgressPrefix) {
					all[name+" "+string(r.Key)] = r.Value
				}
			}
		}
	}
	for _, a := range s.topology.Aggregates {
		table(a.Name)
	}
	for _, p := range s.topology.Projections {
		table(p.Name)
	}
	return all
}

// policyCommands counts the commands that policies sent.
func (s *system) policyCommands() int {
	n := 0
	for _, a := range s.topology.Aggregates {
		for _, records := range s.read(s.names.Commands(a.Name)) {
			n += len(slices.DeleteFunc(records, func(r record.Record) bool {
				return !strings.HasPrefix(string(r.Header(codecs.HeaderActor)), codecs.PolicyActorPrefix)
			}))
		}
	}
	return n
}

// outcomes returns the outcomes of an account's command.
func (s *system) outcomesOf(id, commandID string) []foldlog.Outcome {
	s.t.Helper()
	return s.outcomes("account", id, commandID)
}

func (s *system) outcomes(aggregate, id, commandID string) []foldlog.Outcome {
	s.t.Helper()
	var all []foldlog.Outcome
	for _, records := range s.read(s.names.Outcomes(aggregate)) {
		for _, r := range records {
			o, err := s.codecs.Aggregate(aggregate).DecodeOutcome(s.t.Context(), r.Value)
			if err != nil {
				s.t.Fatal(err)
			}
			if o.AggregateID == id && o.CommandID == commandID {
				all = append(all, o)
			}
		}
	}
	return all
}

func (s *system) recover() *recovery.Result {
	s.t.Helper()
	done, err := recovery.Run(s.t.Context(), s.config())
	if err != nil {
		s.t.Fatal(err)
	}
	return done
}

// Everything but commands, outcomes and events is lost, and then the offsets, too. What is
// recovered is what was there, nothing runs on half of it, and commands go on.
func TestRecoverFromNothing(t *testing.T) {
	s := created(t, "recover.")
	stop := s.run()
	s.sendBulky("r-1")
	s.story("r")
	if _, err := recovery.Run(t.Context(), s.config()); !errors.Is(err, kit.ErrActive) {
		t.Fatalf("while processors run: %v", err)
	}
	for i, offsets := range []bool{false, true} {
		stop()
		before, sent := s.rows(), s.policyCommands()
		late := fmt.Sprintf("late-%d", i)
		s.produce(s.command("account", "r-3", late, "deposit", `{"amount": 1, "currency": "EUR", "reference": "while nobody runs"}`))
		s.lose(offsets)
		if offsets { // else the local stores stay, of topics that are gone
			s.dataDir = t.TempDir()
		}
		if _, err := cluster.EnsureTopics(t.Context(), s.cluster, s.topology, s.settings); !errors.Is(err, cluster.ErrMismatch) || !strings.Contains(err.Error(), "foldlog recover") {
			t.Fatalf("tables that were lost are created empty: %v", err)
		}
		s.interrupted()
		done := s.recover()
		if after := s.rows(); !maps.EqualFunc(before, after, bytes.Equal) {
			for _, key := range keys(before) {
				if !bytes.Equal(before[key], after[key]) {
					t.Errorf("row %s differs", key)
				}
			}
			t.Fatalf("%d rows before, %d after", len(before), len(after))
		}
		if int(done.Rows) != len(before) || len(done.Topics) != 8 || (len(done.Offsets) > 0) != offsets {
			t.Errorf("%+v", done)
		}
		intact(t, s.verify())

		stop = s.run()
		s.produce(s.command("account", "r-0", "first", "deposit", `{"amount": 1000, "currency": "EUR", "reference": "first"}`))
		s.settled()
		if all := s.outcomesOf("r-3", late); len(all) != 1 || all[0].Version != int64(9+i) {
			t.Errorf("a command that waited: %+v, want version %d, after 8 events of the story", all, 9+i)
		}
		if all := s.outcomesOf("r-0", "first"); len(all) != 3+i || all[0].Repeat || slices.ContainsFunc(all[1:], func(o foldlog.Outcome) bool { return !o.Repeat }) {
			t.Errorf("a command id from before is not recognised: %+v", all)
		}
		if now := s.policyCommands(); now != sent {
			t.Errorf("policies had sent %d commands, and have now sent %d", sent, now)
		}
		intact(t, s.verify())
	}
}

// interrupted runs a recovery that is cancelled when it has begun to write, and sees that processes
// refuse what it leaves.
func (s *system) interrupted() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	config := s.config()
	var read atomic.Int64
	config.Progress = func(n, total int64) {
		if read.Add(n) > total*3/4 {
			cancel()
		}
	}
	if _, err := recovery.Run(ctx, config); !errors.Is(err, context.Canceled) {
		s.t.Fatalf("a recovery that is cancelled: %v", err)
	}
	mismatches, err := cluster.VerifyTopics(s.t.Context(), s.cluster, s.topology, s.settings)
	if err != nil || !strings.Contains(fmt.Sprint(cluster.MismatchError(mismatches)), "a recovery that did not end") {
		s.t.Fatalf("after half a recovery processes would start: %v, %v", mismatches, err)
	}
}

// Events that a policy had not seen when its offsets were lost lead to commands, and those that it
// had seen do not again.
func TestPoliciesGoOnWhereTheyWere(t *testing.T) {
	s := created(t, "policies.")
	stop := s.run()
	s.story("p")
	stop()
	sent := s.policyCommands()
	all := s.topology
	s.topology = topology.New(all.Name, all.Aggregates[0], all.Aggregates[1]) // without policies
	s.topology.Projections = all.Projections
	stop = s.run()
	for n := range 6 {
		s.produce(s.command("transfer", fmt.Sprintf("p-late-%d", n), "request", "request", `{"from": "p-0", "to": "p-1", "amount": 1, "currency": "EUR", "reference": ""}`))
	}
	s.settled()
	stop()
	if now := s.policyCommands(); now != sent {
		t.Fatalf("policies ran: %d commands, %d before", now, sent)
	}
	s.topology = all
	s.lose(true)
	t.Logf("%+v", s.recover())
	stop = s.run()
	s.eventually("the transfers that waited have ended", func() error {
		ended := 0
		for _, records := range s.read(s.names.Events("transfer")) {
			for _, r := range records {
				if strings.HasPrefix(string(r.Key), "p-late-") && string(r.Header(codecs.HeaderCEType)) == "TransferCompleted" {
					ended++
				}
			}
		}
		if ended < 6 {
			return fmt.Errorf("%d of 6", ended)
		}
		return nil
	})
	s.settled()
	stop()
	if now := s.policyCommands(); now != sent+6*4 {
		t.Errorf("policies sent %d commands for 6 transfers, want 4 for each", now-sent)
	}
	intact(t, s.verify())
}

// Where events are damaged, nothing is touched.
func TestDamagedEventsAreNotRecoveredFrom(t *testing.T) {
	k := &corrupt{log: base(t).log.clone(), s: newSystem(t, "damaged.")}
	at := k.event(victim, 3)
	k.header(at, codecs.HeaderChain, strings.Repeat("x", 32))
	k.s.write(k.log)
	k.s.stamp("LogAppendTime") // as topics have it that no import is filling
	rows := k.s.rows()
	_, err := recovery.Run(t.Context(), k.s.config())
	if want := fmt.Sprintf("damaged.account.events/%d/%d: chain", at.p, at.i); !errors.Is(err, kit.ErrDamaged) || !strings.Contains(err.Error(), want) {
		t.Fatalf("%v, want %q", err, want)
	}
	if after := k.s.rows(); !maps.EqualFunc(rows, after, bytes.Equal) {
		t.Error("tables were changed")
	}
}
