package views

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/bank/transfer"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/localdb"
)

// drawn returns a tree as text: a line for each command and each event, children further right.
func drawn(trace Trace) string {
	var b strings.Builder
	var draw func(commands []*TracedCommand, indent string)
	draw = func(commands []*TracedCommand, indent string) {
		for _, c := range commands {
			said := "accepted"
			if c.Rejection != nil {
				said = c.Rejection.Code
			}
			fmt.Fprintf(&b, "%s%s %s %s by %s: %s\n", indent, c.Type, c.Aggregate, c.AggregateID, c.Actor, said)
			for _, e := range c.Events {
				fmt.Fprintf(&b, "%s  %s %d\n", indent, e.Type, e.Version)
				draw(e.Commands, indent+"    ")
			}
		}
	}
	draw(trace.Commands, "")
	return b.String()
}

// talk writes what a conversation leaves in the topics.
type talk struct {
	*system
	correlationID string
	seconds       int64
	records       []*kgo.Record
}

func (k *talk) command(aggregate, id, command, typ, actor string, version int64, payloads ...any) (eventIDs []string) {
	k.t.Helper()
	k.seconds++
	codec := k.codecs.Aggregate(aggregate)
	recorded := time.Now().UTC().Truncate(time.Second).Add(time.Duration(k.seconds) * time.Millisecond)
	place := foldlog.Position{Aggregate: aggregate, Partition: homeOf(id), Offset: k.seconds}
	o := foldlog.Outcome{CommandID: command, AggregateID: id, CommandType: typ, Accepted: true, Version: version + int64(len(payloads)) - 1,
		RecordedAt: recorded, CorrelationID: k.correlationID, PayloadHash: make([]byte, 32), Position: place, Actor: actor}
	for i, payload := range payloads {
		spec, _ := codec.Spec().EventOf(payload)
		e := foldlog.Event[any]{EventID: foldlog.EventID(command, id, i), Type: spec.Name, Version: version + int64(i), Data: payload,
			Meta: foldlog.Meta{AggregateID: id, CommandID: command, CorrelationID: k.correlationID, CausationID: command, Actor: actor, RecordedAt: recorded}}
		value, err := codec.EncodeEvent(e)
		if err != nil {
			k.t.Fatal(err)
		}
		k.records = append(k.records, &kgo.Record{Topic: aggregate + ".events", Key: []byte(id), Value: value,
			Headers: []kgo.RecordHeader{{Key: codecs.HeaderCause, Value: []byte(place.String())}}})
		o.FirstVersion, o.EventIDs = version, append(o.EventIDs, e.EventID)
	}
	k.outcome(o)
	return o.EventIDs
}

func (k *talk) outcome(o foldlog.Outcome) {
	k.t.Helper()
	value, err := k.codecs.Aggregate(o.Position.Aggregate).EncodeOutcome(o)
	if err != nil {
		k.t.Fatal(err)
	}
	k.records = append(k.records, &kgo.Record{Topic: o.Position.Aggregate + ".outcomes", Key: []byte(o.AggregateID), Value: value})
}

func (k *talk) refused(aggregate, id, command, typ, code, actor string) {
	k.t.Helper()
	k.seconds++
	k.outcome(foldlog.Outcome{CommandID: command, AggregateID: id, CommandType: typ, Code: code, CorrelationID: k.correlationID,
		RecordedAt: time.Now().UTC().Truncate(time.Second).Add(time.Duration(k.seconds) * time.Millisecond), PayloadHash: make([]byte, 32),
		Position: foldlog.Position{Aggregate: aggregate, Partition: homeOf(id), Offset: k.seconds}, Actor: actor})
}

func TestTrace(t *testing.T) {
	s := newSystem(t)
	k := &talk{system: s, correlationID: "talk-1"}
	k.command("account", "ann", "open-ann", "open", "anonymous", 1, account.Opened{Currency: "EUR"})
	k.refused("account", "ann", "greedy", "withdraw", "insufficient_funds", "claimed:batch")
	// of a time when outcomes did not name the actor
	k.refused("account", "ann", "old", "withdraw", "insufficient_funds", "")
	requested := k.command("transfer", "t1", "req", "request", "claimed:batch", 1, transfer.Requested{From: "ann", To: "bob", Amount: 5, Currency: "EUR"})
	debit := foldlog.PolicyCommandID("transfer-steps", requested[0], 0)
	debited := k.command("account", "ann", debit, "debit", "policy:transfer-steps", 2, account.Debited{TransferID: "t1", Counterparty: "bob", Amount: 5, Currency: "EUR"})
	confirm := foldlog.PolicyCommandID("transfer-replies", debited[0], 0)
	k.refused("transfer", "t1", confirm, "confirm-debit", "wrong_state", "policy:transfer-replies")
	k.command("account", "ann", "nothing", "freeze", "anonymous", 2) // accepted without effect
	two := k.command("account", "ann", "two", "deposit", "anonymous", 3, account.Deposited{Amount: 1, Currency: "EUR"},
		account.Deposited{Amount: 2, Currency: "EUR"})
	// of a policy that is not declared any more
	gone := foldlog.PolicyCommandID("retired", two[1], 0)
	k.command("account", "bob", gone, "open", "policy:retired", 1, account.Opened{Currency: "EUR"})
	k.correlationID = "talk-2"
	// the same id, for another account
	k.command("account", "cyd", "open-ann", "open", "anonymous", 1, account.Opened{Currency: "EUR"})
	produce(t, s.producer, k.records...)
	set := s.start()

	const want = `open account ann by anonymous: accepted
  AccountOpened 1
withdraw account ann by claimed:batch: insufficient_funds
withdraw account ann by : insufficient_funds
request transfer t1 by claimed:batch: accepted
  TransferRequested 1
    debit account ann by policy:transfer-steps: accepted
      Debited 2
        confirm-debit transfer t1 by policy:transfer-replies: wrong_state
freeze account ann by anonymous: accepted
deposit account ann by anonymous: accepted
  Deposited 3
  Deposited 4
    open account bob by policy:retired: accepted
      AccountOpened 1
`
	for what, id := range map[string]string{"correlation": "talk-1", "first command": "req", "event": debited[0], "policy's command": debit,
		"refused policy's command": confirm, "refused command": "greedy", "command without effect": "nothing", "second event": two[1]} {
		trace, err := set.Trace(soon(t), id, nil)
		if err != nil || trace.Truncated || fmt.Sprint(trace.CorrelationIDs) != "[talk-1]" {
			t.Errorf("%s: %v, truncated: %v, %v", what, trace.CorrelationIDs, trace.Truncated, err)
		}
		if got := drawn(trace); got != want {
			t.Errorf("by its %s:\n%swant\n%s", what, got, want)
		}
	}
	trace, err := set.Trace(soon(t), "open-ann", nil)
	if err != nil || fmt.Sprint(trace.CorrelationIDs) != "[talk-1 talk-2]" || drawn(trace) != want+"open account cyd by anonymous: accepted\n  AccountOpened 1\n" {
		t.Errorf("an id of two conversations: %v\n%s%v", trace.CorrelationIDs, drawn(trace), err)
	}
	for _, id := range []string{"nothing-of-the-kind", "", "ann", "talk-"} {
		if trace, err := set.Trace(soon(t), id, nil); err != nil || len(trace.Commands) != 0 || len(trace.CorrelationIDs) != 0 {
			t.Errorf("by %q:\n%s%v", id, drawn(trace), err)
		}
	}
	_, err = set.Trace(briefly(t), "talk-1", foldlog.Token{at(0, 1<<40)})
	wantError(t, err, ErrNotYetVisible)

	t.Run("restart", func(t *testing.T) {
		set.stop()
		set = s.start()
		if trace, err := set.Trace(soon(t), "talk-1", nil); err != nil || drawn(trace) != want {
			t.Errorf("%s%v", drawn(trace), err)
		}
	})
	t.Run("beyond the horizon", func(t *testing.T) {
		set.stop()
		later := s.openAt(func() time.Time { return time.Now().Add(s.settings.Horizon + time.Hour) })
		later.awaitReady()
		outcomes := later.Outcomes("account")
		eventually(t, func() error {
			if n := stored(t, outcomes.replica, kindTrace); n != 0 {
				return fmt.Errorf("%d leads to outcomes that are gone", n)
			}
			return nil
		})
		trace, err := later.Trace(soon(t), "req", nil)
		const left = ` account ann by anonymous: accepted
  AccountOpened 1
 transfer t1 by claimed:batch: accepted
  TransferRequested 1
     account ann by policy:transfer-steps: accepted
      Debited 2
 account ann by anonymous: accepted
  Deposited 3
  Deposited 4
     account bob by policy:retired: accepted
      AccountOpened 1
`
		if err != nil || drawn(trace) != left {
			t.Errorf("%s%v", drawn(trace), err)
		}
	})
}

// A conversation that is too large is shown from its beginning, and the answer says that there is
// more.
func TestTraceIsBounded(t *testing.T) {
	s := newSystem(t)
	produce(t, s.producer, s.accountRecords("a", MaxTrace+1)...) // all of one conversation
	produce(t, s.producer, s.accountRecords("b", MaxTrace)...)
	set := s.start()
	for _, c := range []struct {
		id        string
		truncated bool
		first     int64
	}{{"talk of a", true, 1}, {"talk of b", false, 1}, {"b-77", false, 1}, {fmt.Sprintf("a-%d", MaxTrace+1), true, 1}} {
		trace, err := set.Trace(soon(t), c.id, nil)
		if err != nil || trace.Truncated != c.truncated || len(trace.Commands) != MaxTrace || trace.Commands[0].Events[0].Version != c.first {
			t.Errorf("%s: %d commands, truncated: %v, %v", c.id, len(trace.Commands), trace.Truncated, err)
		}
		if last := trace.Commands[MaxTrace-1].Events[0]; strings.HasPrefix(c.id, "a-") && last.Version != MaxTrace+1 {
			t.Errorf("what was asked for is not there: the last is version %d", last.Version)
		}
	}
}

// The index leads to the oldest records first, with one key for each different id.
func TestTraceIDs(t *testing.T) {
	st, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer st.close()
	c := newChanges()
	var suffixes []string
	for i := range 30 {
		id := eventID{"a", int64(30 - i)}
		suffixes = append(suffixes, string(id.suffix()))
		traceIDsOf("c", "c", "k", "").each(began.Add(time.Duration(i)*time.Second), id.suffix(), func(key []byte) { c.put(key, nil) })
	}
	if len(c.writes) != 60 {
		t.Errorf("%d keys for two different ids of 30 records", len(c.writes))
	}
	if err := st.write(c.batch()); err != nil {
		t.Fatal(err)
	}
	clues, err := st.clues("k", 20)
	if err != nil || len(clues) != 20 {
		t.Fatalf("%d clues, %v", len(clues), err)
	}
	for i, clue := range clues {
		if string(clue.suffix) != suffixes[i] || clue.micros != uint64(began.Add(time.Duration(i)*time.Second).UnixMicro()) {
			t.Errorf("clue %d is %q at %d", i, clue.suffix, clue.micros)
		}
	}
	if clues, err := st.clues("other", 20); err != nil || len(clues) != 0 {
		t.Errorf("%d clues to nothing, %v", len(clues), err)
	}
	if err := st.db.Put(append([]byte{kindTrace}, traceIDOf("short")...), nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := st.clues("short", 20); !errors.Is(err, localdb.ErrDamaged) {
		t.Errorf("a key without a record: %v", err)
	}
}
