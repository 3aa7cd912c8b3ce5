package processors_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/codecs"
)

// A thousand transfers among fifty accounts, a third of them refused for lack of funds, some to
// frozen or missing accounts: all end, and the sum of money stays.
func TestTransfersEndAndConserveMoney(t *testing.T) {
	s := startBank(t)
	s.run("one")
	const accounts, transfers = 50, 1000
	random := rand.New(rand.NewPCG(1, 2))
	id := func(n int) string { return fmt.Sprintf("a-%d", n) }
	var records []*kgo.Record
	for n := range accounts {
		records = append(records, s.command("account", id(n), "open", "open", openAlice), s.command("account", id(n), "fund", "deposit", deposit(1000)))
		if n%10 == 9 {
			records = append(records, s.command("account", id(n), "freeze", "freeze", `{"reason": "test"}`))
		}
	}
	for n := range transfers {
		amount := 1 + random.IntN(100)
		if n%3 == 0 {
			amount = 1_000_000 // more than anybody has
		}
		records = append(records, s.command("transfer", fmt.Sprintf("t-%d", n), "request", "request", fmt.Sprintf(
			`{"from": %q, "to": %q, "amount": %d, "currency": "EUR", "reference": ""}`, id(random.IntN(accounts)), id(accounts+1-random.IntN(accounts)), amount)))
	}
	s.produce(records...)

	final := map[string]string{}
	s.eventually("every transfer is in a final state", func() error {
		final = map[string]string{}
		events, _ := s.events("transfer")
		for _, e := range events {
			switch e.Type {
			case "TransferRefused", "TransferCompleted", "TransferReturned":
				if before, twice := final[e.AggregateID]; twice {
					t.Fatalf("transfer %s ended twice: %s, %s", e.AggregateID, before, e.Type)
				}
				final[e.AggregateID] = e.Type
			}
		}
		same := 0
		for _, o := range s.outcomes("transfer") {
			if o.Code == "same_account" && !o.Repeat {
				same++
			}
		}
		if len(final)+same < transfers {
			return fmt.Errorf("%d of %d", len(final)+same, transfers)
		}
		return nil
	})
	count := map[string]int{}
	for _, state := range final {
		count[state]++
	}
	for _, state := range []string{"TransferRefused", "TransferCompleted", "TransferReturned"} {
		if count[state] == 0 {
			t.Errorf("no transfer ended as %s: the test does not test it; %v", state, count)
		}
	}
	s.eventually("tables are up to date, and the sum is what was paid in", func() error {
		sum := int64(0)
		for key, row := range s.rows("account") {
			state, err := s.codecs.Aggregate("account").DecodeState(t.Context(), row)
			if err != nil {
				t.Fatal(err)
			}
			if balance := state.Data.(account.Account).Balance; balance < 0 {
				t.Fatalf("account %s is overdrawn: %d", key, balance)
			} else {
				sum += balance
			}
		}
		if sum != accounts*1000 {
			return fmt.Errorf("sum %d, want %d", sum, accounts*1000)
		}
		return nil
	})
	s.checkLog("account")
	s.checkLog("transfer")
	if dead := len(s.deadLetters("transfer")) + len(s.deadLetters("account")); dead != 0 {
		t.Errorf("%d dead letters, want none", dead)
	}
}

// checkLog asserts that each command has exactly one outcome, versions have no gap or duplicate,
// events belong to accepted commands, and the table is the fold of the events.
func (s *system) checkLog(aggregate string) {
	s.t.Helper()
	outcomes := map[string]foldlog.Outcome{}
	for _, o := range s.outcomes(aggregate) {
		key := o.AggregateID + " " + o.CommandID
		if _, twice := outcomes[key]; twice && !o.Repeat {
			s.t.Errorf("%s: command %s has two outcomes", aggregate, key)
		}
		if !o.Repeat {
			outcomes[key] = o
		}
	}
	spec := s.topology.Aggregate(aggregate)
	versions, states := map[string]int64{}, map[string]any{}
	events, _ := s.events(aggregate)
	for _, e := range events {
		if e.Version != versions[e.AggregateID]+1 {
			s.t.Errorf("%s %s: version %d after %d", aggregate, e.AggregateID, e.Version, versions[e.AggregateID])
		}
		versions[e.AggregateID] = e.Version
		outcome := outcomes[e.AggregateID+" "+e.CommandID]
		if !outcome.Accepted {
			s.t.Errorf("%s %s: event %d has no accepted command %s", aggregate, e.AggregateID, e.Version, e.CommandID)
		}
		if outcome.Actor != e.Actor || e.Actor == "" {
			s.t.Errorf("%s %s: event %d is by %q, the outcome of command %s by %q", aggregate, e.AggregateID, e.Version, e.Actor, e.CommandID, outcome.Actor)
		}
		if states[e.AggregateID] == nil {
			states[e.AggregateID] = spec.Decider.Initial()
		}
		states[e.AggregateID] = spec.Decider.Evolve(states[e.AggregateID], e)
	}
	rows := s.rows(aggregate)
	if len(rows) != len(states) {
		s.t.Errorf("%s: %d rows for %d aggregates", aggregate, len(rows), len(states))
	}
	for id, state := range states {
		row, err := s.codecs.Aggregate(aggregate).DecodeState(s.t.Context(), rows[id])
		if err != nil || row.Version != versions[id] || row.Data != state {
			s.t.Errorf("%s %s: row %+v (%v), the events fold to version %d, %+v", aggregate, id, row, err, versions[id], state)
		}
	}
}

// Stopping in the middle of a flood, again and again and with another instance, loses and doubles
// nothing.
func TestGracefulStopsAndRebalances(t *testing.T) {
	s := startBank(t)
	const commands = 3000
	var records []*kgo.Record
	for n := range commands {
		id := fmt.Sprintf("a-%d", n%40)
		if n < 40 {
			records = append(records, s.command("account", id, fmt.Sprintf("c-%d", n), "open", openAlice))
			continue
		}
		records = append(records, s.command("account", id, fmt.Sprintf("c-%d", n), "deposit", deposit(1)))
	}
	reach := func(n int) {
		s.eventually(fmt.Sprintf("%d outcomes", n), func() error {
			if have := len(s.outcomes("account")); have < n {
				return fmt.Errorf("%d so far", have)
			}
			return nil
		})
	}
	stop := s.run("one")
	s.produce(records[:1000]...)
	reach(300)
	stop()
	s.produce(records[1000:]...)
	stop = s.run("one")
	reach(1200)
	stopTwo := s.run("two") // a rebalance under load
	reach(2000)
	stop() // and another
	reach(commands)
	stopTwo()
	s.checkLog("account")
	if n := len(s.outcomes("account")); n != commands {
		t.Errorf("%d outcomes of %d commands", n, commands)
	}
}

// A command that a policy sent and that is rejected has nobody who waits for its outcome, so it is
// set aside, too.
func TestRejectedPolicyCommandIsADeadLetter(t *testing.T) {
	s := startBank(t)
	s.run("one")
	r := s.command("transfer", "missing", "from-policy", "confirm-debit", `{}`)
	r.Headers = []kgo.RecordHeader{{Key: codecs.HeaderActor, Value: []byte("policy:transfer-replies")}}
	s.produce(r)
	if o := s.outcome("transfer", "missing", "from-policy"); o.Code != "wrong_state" {
		t.Errorf("outcome %+v", o)
	}
	s.eventually("a dead letter", func() error {
		if n := len(s.deadLetters("transfer")); n != 1 {
			return fmt.Errorf("%d dead letters", n)
		}
		return nil
	})
}

// The brokers going away is nobody's fault: groups stay up or are started again, and go on where
// they were.
func TestBrokerOutage(t *testing.T) {
	s := startBank(t)
	s.run("one")
	s.produce(s.command("account", "alice", "open", "open", openAlice))
	s.outcome("account", "alice", "open")
	start := s.stopBroker()
	time.Sleep(2 * time.Second) // an outage has a length; nothing is waited for
	start()
	s.produce(s.command("account", "alice", "d-1", "deposit", deposit(7)))
	if o := s.outcome("account", "alice", "d-1"); !o.Accepted || o.Version != 2 {
		t.Errorf("after the outage: %+v", o)
	}
	s.checkLog("account")
}
