package views

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/cluster"
)

func TestRecreatedTopic(t *testing.T) {
	recreate := func(s *system) {
		s.t.Helper()
		if _, err := s.admin().DeleteTopics(soon(s.t), "balances-table"); err != nil {
			s.t.Fatal(err)
		}
		eventually(s.t, func() error {
			_, err := cluster.EnsureTopics(soon(s.t), s.cluster, s.topology, s.settings)
			return err
		})
		fresh := s.client() // the other one remembers the topic's id
		produce(s.t, fresh, s.balanceRow("b", 20), s.balanceRow("c", 30), s.balanceRow("d", 40), s.balanceRow("b", 21))
	}
	check := func(t *testing.T, set *running) {
		t.Helper()
		eventually(t, func() error {
			for key, want := range map[string]int64{"a": -1, "b": 21, "c": 30, "d": 40} {
				if have, err := balance(soon(t), set.Projection("balances"), key, nil); err != nil || have != want {
					return fmt.Errorf("%s is %d, want %d: %w", key, have, want, err)
				}
			}
			return nil
		})
		set.awaitReady()
		if n := set.metric("foldlog_view_rebuilds_total", "topic=balances-table", "reason=topic_recreated"); n != 1 {
			t.Errorf("%v rebuilds, want 1", n)
		}
		_, err := set.Projection("balances").Get(briefly(t), keyIn("x", 0), foldlog.Token{at(0, 1)})
		wantError(t, err, ErrNotYetVisible)
	}
	for _, name := range []string{"while the views are down", "while they run"} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t)
			produce(t, s.producer, s.balanceRow("a", 1), s.balanceRow("b", 2), progressRecord("balances-table", 0, at(0, 1)))
			set := s.start()
			awaitBalance(t, set.Projection("balances"), "a", 1)
			if name == "while they run" {
				recreate(s)
				check(t, set)
				return
			}
			set.stop()
			recreate(s)
			check(t, s.start())
		})
	}
}

// A table whose store was away for longer than half of what tombstones live may have missed one.
func TestStoreThatWasAwayForTooLong(t *testing.T) {
	s := newSystem(t)
	ms := "20"
	_, err := s.admin().AlterTopicConfigs(soon(t), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "delete.retention.ms", Value: &ms}}, "balances-table")
	if err != nil {
		t.Fatal(err)
	}
	produce(t, s.producer, s.balanceRow("a", 1))
	s.start().stop()
	began := time.Now()
	eventually(t, func() error {
		if time.Since(began) < 20*time.Millisecond {
			return errStill
		}
		return nil
	})
	set := s.start()
	if n := set.metric("foldlog_view_rebuilds_total", "topic=balances-table", "reason=offline_too_long"); n != 1 {
		t.Errorf("%v rebuilds, want 1", n)
	}
	if n := set.metric("foldlog_view_rebuilds_total"); n != 1 {
		t.Errorf("%v rebuilds in all, want 1", n)
	}
	awaitBalance(t, set.Projection("balances"), "a", 1)
}

// A store that has read further than its log reaches belongs to a log that was lost.
func TestStoreAheadOfTheLogAndBehindItsStart(t *testing.T) {
	s := newSystem(t)
	produce(t, s.producer, s.balanceRow("a", 1), s.balanceRow("b", 1))
	set := s.start()
	set.stop()
	dir := filepath.Join(s.dataDir, "views", "balances-table")
	st, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(st.db.Put(positionKey(homeOf("a")), encodeInt64(99), nil), st.close()); err != nil {
		t.Fatal(err)
	}
	set = s.start()
	awaitBalance(t, set.Projection("balances"), "a", 1)
	if n := set.metric("foldlog_view_rebuilds_total", "topic=balances-table", "reason=ahead_of_log"); n != 1 {
		t.Errorf("%v rebuilds, want 1", n)
	}
	set.stop()

	produce(t, s.producer, &kgo.Record{Topic: "balances-table", Key: []byte("a")}, s.balanceRow("b", 2), s.stateRow("a", 1, 1))
	for _, topic := range []string{"balances-table", "account.outcomes"} {
		ends, err := s.admin().ListEndOffsets(soon(t), topic)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.admin().DeleteRecords(soon(t), ends.Offsets()); err != nil {
			t.Fatal(err)
		}
	}
	set = s.start()
	if n := set.metric("foldlog_view_rebuilds_total", "topic=balances-table", "reason=log_truncated"); n != 1 {
		t.Errorf("%v rebuilds, want 1", n)
	}
	awaitBalance(t, set.Projection("balances"), "a", -1)
	produce(t, s.producer, s.balanceRow("b", 3))
	awaitBalance(t, set.Projection("balances"), "b", 3)
}

// Outcomes are deleted by time: a store behind the start of its log goes on at the start, also
// where nothing is left to read.
func TestOutcomesWhoseLogMovedOn(t *testing.T) {
	s := newSystem(t)
	id := keyIn("acc-", 1)
	send := func(command string, n int64) {
		produce(t, s.producer, s.outcomeRecord(accepted(id, command, n, at(1, n), time.Now()), at(1, n)))
	}
	has := func(set *running, command string) error {
		if _, ok, err := set.Outcomes("account").Get(soon(t), id, command); !ok {
			return errors.Join(err, fmt.Errorf("no outcome of %s", command))
		}
		return nil
	}
	send("one", 1)
	set := s.start()
	set.stop()
	send("two", 2)
	ends, err := s.admin().ListEndOffsets(soon(t), "account.outcomes")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.admin().DeleteRecords(soon(t), ends.Offsets()); err != nil {
		t.Fatal(err)
	}
	set = s.start()
	if err := has(set, "one"); err != nil {
		t.Error(err)
	}
	send("three", 3)
	eventually(t, func() error { return has(set, "three") })
	if n := set.metric("foldlog_view_restarts_total") + set.metric("foldlog_view_rebuilds_total"); n != 0 {
		t.Errorf("%v restarts and rebuilds", n)
	}
}
