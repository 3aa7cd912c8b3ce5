package processors_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/codecs"
)

// Time is the log's: what a process's clock says is in no event and no outcome.
func TestRecordedTimeIsTheLogs(t *testing.T) {
	s := startBank(t)
	s.run("one")
	s.produce(s.command("account", "alice", "open", "open", openAlice))
	outcome := s.outcome("account", "alice", "open")
	events, _ := s.events("account")
	written := s.read(s.names.Commands("account"))[0].Timestamp
	if !outcome.RecordedAt.Equal(written) || !events[0].RecordedAt.Equal(written) {
		t.Errorf("the log has the command at %s, the event says %s and the outcome %s", written, events[0].RecordedAt, outcome.RecordedAt)
	}
}

// A command id is remembered for the horizon, by recorded time, and no longer.
func TestCommandIDsAreRememberedForTheHorizon(t *testing.T) {
	s := startBank(t)
	s.settings.Horizon = time.Hour
	commands := s.names.Commands("account")
	byProducer := "CreateTime" // so that the test says what the time is
	altered, err := kadm.NewClient(s.client).AlterTopicConfigs(t.Context(),
		[]kadm.AlterConfig{{Op: kadm.SetConfig, Name: "message.timestamp.type", Value: &byProducer}}, commands)
	if err == nil {
		err = altered[0].Err
	}
	if err != nil {
		t.Fatal(err)
	}
	s.run("one")
	now := time.Now()
	for _, ago := range []int{180, 121, 30} {
		r := s.command("account", "alice", "open", "open", openAlice)
		if ago != 180 {
			r = s.command("account", "alice", "deposit", "deposit", deposit(5))
		}
		r.Timestamp = now.Add(time.Duration(-ago) * time.Minute)
		s.produce(r)
	}
	within := s.command("account", "alice", "deposit", "deposit", deposit(5))
	within.Timestamp = now
	s.produce(within)
	answers := s.answers("account", "alice", "deposit", 3)
	if answers[1].Repeat || answers[1].Version != 3 {
		t.Errorf("91 minutes later, with a horizon of an hour: %+v", answers[1])
	}
	if !answers[2].Repeat || answers[2].Version != 3 {
		t.Errorf("30 minutes after that: %+v", answers[2])
	}
}

// The row of an aggregate is the fold of all of its events, at any time: they are written together.
func TestRowIsTheFoldOfTheEvents(t *testing.T) {
	s := startBank(t)
	s.run("one")
	s.produce(s.command("account", "alice", "open", "open", openAlice))
	for i := range 20 {
		s.produce(s.command("account", "alice", fmt.Sprint("d-", i), "deposit", deposit(i+1)))
	}
	s.handled("account", s.names.Commands("account"))
	s.checkLog("account")
}

// Every event has its own link of the chain, also if a command leads to several.
func TestEventsOfOneCommandAreChained(t *testing.T) {
	s := startSystem(t, boxTopology(), boxSchemas())
	s.run("one")
	s.produce(s.command("box", "b", "first", "fill", `{"with": "two things"}`), s.command("box", "b", "second", "fill", `{"with": "x"}`))
	s.outcome("box", "b", "second")
	schema := s.schemas.Latest("box.events").Schema.Fingerprint
	chain := make([]byte, sha256.Size)
	events, records := s.events("box")
	for i, r := range records {
		next := sha256.Sum256(bytes.Join([][]byte{chain, schema[:], r.Value[5:]}, nil))
		chain = next[:]
		if !bytes.Equal(r.Header(codecs.HeaderChain), chain) {
			t.Errorf("event %d of command %s breaks the chain", i, events[i].CommandID)
		}
	}
	if len(records) != 3 {
		t.Errorf("%d events, want 3", len(records))
	}
}

// A policy's command has an id that follows from the event, so that an event that is handled again
// leads to no other command.
func TestPolicyCommandsHaveDerivedIDs(t *testing.T) {
	s := startBank(t)
	s.run("one")
	s.produce(s.command("account", "alice", "open", "open", openAlice), s.command("account", "bob", "open", "open", openAlice),
		s.command("transfer", "t", "request", "request", `{"from": "alice", "to": "bob", "amount": 5, "currency": "EUR", "reference": ""}`))
	requested := s.outcome("transfer", "t", "request")
	want := foldlog.PolicyCommandID(bank.TransferStepsPolicy, requested.EventIDs[0], 0)
	var got string
	s.eventually("the policy asks the account", func() error {
		for _, o := range s.outcomes("account") {
			if o.CommandType == "debit" {
				got = o.CommandID
				return nil
			}
		}
		return fmt.Errorf("not yet")
	})
	if got != want {
		t.Errorf("the policy's command has the id %q, from the event follows %q", got, want)
	}
}

// A projection's row has every event of its key.
func TestProjectionHasEveryEvent(t *testing.T) {
	s := startBank(t)
	s.run("one")
	records := []*kgo.Record{s.command("account", "alice", "open", "open", openAlice)}
	for i := range 40 {
		records = append(records, s.command("account", "alice", fmt.Sprint("d-", i), "deposit", deposit(i+1)))
	}
	s.produce(records...)
	last := s.outcome("account", "alice", "d-39").Position.String()
	s.eventually("the table speaks of the last command", func() error {
		for _, r := range s.read(s.names.Table("balances")) {
			if string(r.Header(codecs.HeaderProgress)) == last {
				return nil
			}
		}
		return fmt.Errorf("not yet")
	})
	row, err := s.codecs.Projection("balances").DecodeRow(t.Context(), s.rows("balances")["alice"])
	if err != nil {
		t.Fatal(err)
	}
	if balance := row.(bank.BalancesRow).Balance; balance != 820 {
		t.Errorf("the row says %d, the events add up to 820", balance)
	}
}
