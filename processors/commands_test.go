package processors_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/topology"
)

const openAlice = `{"holder": "Alice", "currency": "EUR", "overdraft_limit": 0}`

func deposit(amount int) string {
	return fmt.Sprintf(`{"amount": %d, "currency": "EUR", "reference": "test"}`, amount)
}

// Each bad input becomes an outcome or a dead letter with its coordinates, never both, and what
// stands behind it goes through.
func TestBadInputIsAnsweredOrSetAside(t *testing.T) {
	s := startBank(t)
	s.run("one")
	topic, key := s.names.Commands("account"), []byte("alice")
	bad := s.produce(
		s.command("account", "alice", "open-1", "open", openAlice),
		&kgo.Record{Topic: topic, Key: key, Value: []byte("\x01not a command")},
		&kgo.Record{Topic: topic, Key: key, Value: nil},
		&kgo.Record{Topic: topic, Key: key, Value: []byte(`{"command_id": "unknown-type", "type": "explode", "data": {}}`)},
		&kgo.Record{Topic: topic, Key: key, Value: []byte(`{"command_id": "wrong-key", "type": "deposit", "aggregate_id": "bob", "data": {"amount": 1, "currency": "EUR", "reference": ""}}`)},
		&kgo.Record{Topic: topic, Key: key, Value: []byte(`{"command_id": "bad-field", "type": "deposit", "actor": "till-3", "data": {"amount": "much", "currency": "EUR", "reference": ""}}`)},
		&kgo.Record{Topic: topic, Key: key, Value: []byte("\x00\x00\x00\x00\x01truncated")},
		&kgo.Record{Topic: topic, Key: []byte("__offset"), Value: []byte(`{"type": "freeze", "data": {"reason": "x"}}`)},
		&kgo.Record{Topic: topic, Key: key, Value: append([]byte(`{"command_id": "huge", "type": "deposit", "data": "`), bytes.Repeat([]byte("x"), topology.MaxCommandBytes)...)},
		s.command("account", "alice", "good", "deposit", deposit(5)),
	)
	if o := s.outcome("account", "alice", "good"); !o.Accepted || o.Version != 2 {
		t.Errorf("the command behind the bad ones: %+v", o)
	}
	for _, c := range []struct{ id, code, field, actor string }{
		{"unknown-type", foldlog.CodeInvalidField, "type", codecs.AnonymousActor},
		{"wrong-key", foldlog.CodeKeyMismatch, "", codecs.AnonymousActor},
		{"bad-field", foldlog.CodeInvalidField, "amount", codecs.ClaimedActorPrefix + "till-3"},
	} {
		if o := s.outcome("account", "alice", c.id); o.Accepted || o.Code != c.code || (c.field != "" && o.Field != c.field) || o.Actor != c.actor {
			t.Errorf("%s: got %+v, want code %s, field %q, actor %s", c.id, o, c.code, c.field, c.actor)
		}
	}
	wantDead := map[string]bool{}
	for _, i := range []int{1, 2, 6, 7, 8} {
		wantDead[fmt.Sprintf("%s/%d/%d", topic, bad[i].Partition, bad[i].Offset)] = true
	}
	s.handled("account", topic)
	for _, r := range s.deadLetters("account") {
		at := fmt.Sprintf("%s/%s/%s", r.Header(codecs.HeaderDeadLetterTopic), r.Header(codecs.HeaderDeadLetterPartition), r.Header(codecs.HeaderDeadLetterOffset))
		if !wantDead[at] {
			t.Errorf("dead letter for %s, which is none or has one already: %s", at, r.Header(codecs.HeaderDeadLetterCause))
		}
		delete(wantDead, at)
		if len(r.Header(codecs.HeaderDeadLetterCause)) == 0 {
			t.Errorf("dead letter for %s has no cause", at)
		}
	}
	if len(wantDead) > 0 {
		t.Errorf("without a dead letter: %v", wantDead)
	}
	if n := len(s.outcomes("account")); n != 5 { // open, three rejections, good
		t.Errorf("%d outcomes, want 5: never both an outcome and a dead letter", n)
	}
}

func TestRepeatedCommandIDsChangeNothing(t *testing.T) {
	s := startBank(t)
	stop := s.run("one")
	s.produce(
		s.command("account", "alice", "open-1", "open", openAlice),
		s.command("account", "alice", "d-1", "deposit", deposit(5)),
		s.command("account", "alice", "d-1", "deposit", deposit(5)),
		s.command("account", "alice", "d-1", "deposit", deposit(6)),
		s.command("account", "alice", "d-1", "deposit", `{"amount": "x"}`),
		s.command("account", "alice", "w-1", "withdraw", deposit(100)),
		s.command("account", "alice", "w-1", "withdraw", deposit(100)),
	)
	check := func(when string) {
		t.Helper()
		answers := s.answers("account", "alice", "d-1", 4)
		first, repeat, reused, bad := answers[0], answers[1], answers[2], answers[3]
		if !first.Accepted || first.Repeat || first.Version != 2 {
			t.Errorf("%s: first answer: %+v", when, first)
		}
		if !repeat.Accepted || !repeat.Repeat || repeat.Version != 2 || repeat.EventIDs[0] != first.EventIDs[0] || repeat.Position != first.Position {
			t.Errorf("%s: the repeat is not the first answer, marked: %+v", when, repeat)
		}
		if reused.Accepted || !reused.Repeat || reused.Code != foldlog.CodeCommandIDReused {
			t.Errorf("%s: another payload under the id: %+v", when, reused)
		}
		if bad.Accepted || !bad.Repeat || bad.Code != foldlog.CodeInvalidField {
			t.Errorf("%s: a bad payload under the id: %+v", when, bad)
		}
	}
	check("at once")
	if answers := s.answers("account", "alice", "w-1", 2); answers[1].Code != "insufficient_funds" || !answers[1].Repeat {
		t.Errorf("a repeated refusal: %+v", answers[1])
	}
	stop()
	// The index is read back from the outcomes, also by an instance that has never seen them.
	s.run("two")
	s.produce(s.command("account", "alice", "open-1", "open", openAlice))
	if answers := s.answers("account", "alice", "open-1", 2); !answers[1].Repeat || !answers[1].Accepted {
		t.Errorf("a repeat after a restart: %+v", answers[1])
	}
	if events, _ := s.events("account"); len(events) != 2 {
		t.Errorf("%d events, want 2", len(events))
	}
}

func TestExpectedVersion(t *testing.T) {
	s := startBank(t)
	s.run("one")
	send := func(commandID string, version int) *kgo.Record {
		return &kgo.Record{Topic: s.names.Commands("account"), Key: []byte("alice"), Value: fmt.Appendf(nil,
			`{"command_id": %q, "type": "open", "expected_version": %d, "data": %s}`, commandID, version, openAlice)}
	}
	s.produce(send("a", 1), send("b", 0), send("c", 0))
	if o := s.outcome("account", "alice", "a"); o.Code != foldlog.CodeVersionConflict {
		t.Errorf("expected version 1 of a new aggregate: %+v", o)
	}
	if o := s.outcome("account", "alice", "b"); !o.Accepted {
		t.Errorf("expected version 0 of a new aggregate: %+v", o)
	}
	// before the decider's already_exists
	if o := s.outcome("account", "alice", "c"); o.Code != foldlog.CodeVersionConflict {
		t.Errorf("expected version 0 of an aggregate that exists: %+v", o)
	}
}

// A producer with another partitioner, or without a key, reaches the aggregate all the same, once.
func TestCommandsInTheWrongPartitionAreForwarded(t *testing.T) {
	s := startBank(t)
	s.run("one")
	right := topology.PartitionOf([]byte("alice"), s.settings.Partitions)
	wrong := byte(right+1) % byte(s.settings.Partitions)
	misplaced := s.command("account", "alice", "misplaced", "open", openAlice)
	misplaced.Headers = []kgo.RecordHeader{{Key: "test-partition", Value: []byte{wrong}}}
	keyless := &kgo.Record{Topic: s.names.Commands("account"), Headers: []kgo.RecordHeader{{Key: "test-partition", Value: []byte{byte(right)}}},
		Value: []byte(`{"command_id": "keyless", "type": "deposit", "aggregate_id": "alice", "data": ` + deposit(1) + `}`)}
	s.produce(misplaced)
	if o := s.outcome("account", "alice", "misplaced"); !o.Accepted || o.Position.Partition != right {
		t.Errorf("misplaced: %+v", o)
	}
	s.produce(keyless)
	if o := s.outcome("account", "alice", "keyless"); !o.Accepted || o.Version != 2 {
		t.Errorf("keyless: %+v", o)
	}
	var origins []string
	for _, r := range s.read(s.names.Commands("account")) {
		if origin := r.Header(codecs.HeaderOriginPartition); origin != nil {
			origins = append(origins, string(origin))
		}
	}
	if want := []string{strconv.Itoa(int(wrong)), strconv.Itoa(int(right))}; strings.Join(origins, ",") != strings.Join(want, ",") {
		t.Errorf("forwarded from partitions %v, want %v", origins, want)
	}
}

// What a regulator relies on: versions, times, ids, causes and the chain of one aggregate's events,
// computed here from the records alone.
func TestEventsAreChainedAndComplete(t *testing.T) {
	s := startBank(t)
	s.run("one")
	s.produce(s.command("account", "alice", "open-1", "open", openAlice))
	for i := range 20 {
		r := s.command("account", "alice", fmt.Sprintf("d-%d", i), "deposit", deposit(i+1))
		r.Headers = []kgo.RecordHeader{{Key: codecs.HeaderTraceparent, Value: []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")}}
		s.produce(r)
	}
	s.outcome("account", "alice", "d-19")
	events, records := s.events("account")
	schema := s.schemas.Latest("account.events").Schema.Fingerprint
	var chain [32]byte
	var before time.Time
	for i, e := range events {
		if e.Version != int64(i+1) || e.AggregateID != "alice" || e.EventID != foldlog.EventID(e.CommandID, "alice", 0) || e.CausationID != e.CommandID {
			t.Errorf("event %d: %+v", i, e)
		}
		if e.RecordedAt.Before(before) {
			t.Errorf("event %d was recorded at %s, before %s", i, e.RecordedAt, before)
		}
		if !records[i].Timestamp.Equal(e.RecordedAt.Truncate(time.Millisecond)) {
			t.Errorf("event %d: the record's time %s is not the event's %s", i, records[i].Timestamp, e.RecordedAt)
		}
		before = e.RecordedAt
		h := sha256.New()
		h.Write(chain[:])
		h.Write(schema[:])
		h.Write(records[i].Value[5:])
		chain = [32]byte(h.Sum(nil))
		if !bytes.Equal(records[i].Header(codecs.HeaderChain), chain[:]) {
			t.Fatalf("event %d: the chain is broken", i)
		}
		if i > 0 && !strings.HasPrefix(string(records[i].Header(codecs.HeaderTraceparent)), "00-0af7651916cd") {
			t.Errorf("event %d lost its trace", i)
		}
	}
	s.eventually("the row has the chain's head", func() error {
		state, err := s.codecs.Aggregate("account").DecodeState(t.Context(), s.rows("account")["alice"])
		if err != nil {
			return err
		}
		if state.Chain != chain || state.Version != 21 || state.Data.(account.Account).Balance != 210 {
			return fmt.Errorf("row %+v", state)
		}
		return nil
	})
}
