package views

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
)

// transaction begins one and writes the records into it.
func (s *system) transaction(id string, records ...*kgo.Record) *kgo.Client {
	s.t.Helper()
	c := s.client(kgo.TransactionalID(id), kgo.TransactionTimeout(time.Minute))
	if err := c.BeginTransaction(); err != nil {
		s.t.Fatal(err)
	}
	produce(s.t, c, records...)
	return c
}

func (s *system) end(c *kgo.Client, how kgo.TransactionEndTry) {
	s.t.Helper()
	if err := c.EndTransaction(soon(s.t), how); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) commit(id string, records ...*kgo.Record) {
	s.t.Helper()
	s.end(s.transaction(id, records...), kgo.TryCommit)
}

func (s *system) abort(id string, records ...*kgo.Record) {
	s.t.Helper()
	s.end(s.transaction(id, records...), kgo.TryAbort)
}

// lacksNothing waits until the views have compared themselves with the log as it is now, and lack
// nothing.
func lacksNothing(t *testing.T, set *running) {
	t.Helper()
	now := time.Now()
	eventually(t, func() error {
		for _, r := range set.replicas {
			ends, at, _, _ := r.status.freshness()
			if at.Before(now) {
				return fmt.Errorf("%s was not compared yet", r.topic)
			}
			if lag := r.sumLag(ends); lag != 0 {
				return fmt.Errorf("%s lacks %d", r.topic, lag)
			}
		}
		if n := set.metric("foldlog_view_lag_records"); n != 0 {
			return fmt.Errorf("the metric says %v", n)
		}
		return nil
	})
}

// The last thing in each log is a marker, which no consumer delivers.
func TestLogsThatEndInACommit(t *testing.T) {
	s := newSystem(t)
	in0 := keyIn("acc-", 0)
	s.commit("p", s.balanceRow("a", 1), s.balanceRow(in0, 5), progressRecord("balances-table", 0, at(0, 3)), s.stateRow("a", 1, 1),
		s.outcomeRecord(accepted("a", "cmd", 1, at(homeOf("a"), 1), time.Now()), at(homeOf("a"), 1)))
	set := s.start()
	awaitBalance(t, set.Projection("balances"), "a", 1)
	if _, err := set.Projection("balances").Get(soon(t), in0, foldlog.Token{at(0, 3)}); err != nil {
		t.Error(err)
	}
	if _, ok, err := set.Outcomes("account").Get(soon(t), "a", "cmd"); !ok {
		t.Errorf("no outcome: %v", err)
	}
	s.commit("p", s.balanceRow("a", 2))
	awaitBalance(t, set.Projection("balances"), "a", 2)
	lacksNothing(t, set)
	set.stop()
	set = s.start() // from stores that are at a marker
	awaitBalance(t, set.Projection("balances"), "a", 2)
	if n := set.metric("foldlog_view_records_total"); n != 0 {
		t.Errorf("%v records were read again", n)
	}
}

func TestLogsThatEndInAnAbort(t *testing.T) {
	for _, before := range []bool{true, false} {
		t.Run(fmt.Sprintf("something before it %v", before), func(t *testing.T) {
			s := newSystem(t)
			want := int64(-1)
			if before {
				s.commit("p", s.balanceRow("a", 1))
				want = 1
			}
			lost := accepted("a", "cmd", 1, at(homeOf("a"), 1), time.Now())
			s.abort("p", s.balanceRow("a", 99), s.balanceRow("b", 99), s.outcomeRecord(lost, at(homeOf("a"), 1)))
			set := s.start()
			table := set.Projection("balances")
			for key, want := range map[string]int64{"a": want, "b": -1} {
				if have, err := balance(soon(t), table, key, nil); err != nil || have != want {
					t.Errorf("%s is %d, %v, want %d", key, have, err, want)
				}
			}
			if _, ok, err := set.Outcomes("account").Get(soon(t), "a", "cmd"); ok || err != nil {
				t.Errorf("an aborted outcome: %v", err)
			}

			// While it runs: aborted records are neither shown nor lag for ever.
			e := set.Outcomes("account").Expect("a", "cmd")
			defer e.Close()
			s.abort("p", s.balanceRow("a", 98), s.outcomeRecord(lost, at(homeOf("a"), 2)))
			s.commit("q", s.balanceRow("c", 3))
			awaitBalance(t, table, "c", 3)
			s.abort("p", s.balanceRow("c", 97))
			lacksNothing(t, set)
			if have, err := balance(soon(t), table, "a", nil); err != nil || have != want {
				t.Errorf("a is %d, %v, want %d", have, err, want)
			}
			if have, err := balance(soon(t), table, "c", nil); err != nil || have != 3 {
				t.Errorf("c is %d, %v, want 3", have, err)
			}
			if o, err := e.Wait(briefly(t), at(homeOf("a"), 2)); err == nil {
				t.Errorf("an aborted outcome arrived: %+v", o)
			}
		})
	}
}

// An open transaction below the end of the log is waited for, never read short: what follows it may
// depend on it.
func TestOpenTransactionBelowTheEnd(t *testing.T) {
	for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		t.Run(fmt.Sprintf("that commits %v", end == kgo.TryCommit), func(t *testing.T) {
			s := newSystem(t)
			in2, also2 := keyIn("acc-", 2), keyIn("other-", 2)
			produce(t, s.producer, s.balanceRow(also2, 1))
			open := s.transaction("p", s.balanceRow(in2, 5))
			produce(t, s.producer, s.balanceRow(also2, 2), s.balanceRow("elsewhere", 7))

			set := s.open()
			table := set.Projection("balances")
			eventually(t, func() error {
				if _, err := table.Get(soon(t), also2, nil); !errors.Is(err, ErrNotReady) {
					t.Fatalf("a read before the transaction ended: %v, want %v", err, ErrNotReady)
				}
				if err := set.Ready(); err == nil {
					t.Fatal("ready before the transaction ended")
				} else if err := contains(err, "balances-table", "open transaction holds back partition 2"); err != nil {
					return err
				}
				return nil
			})
			_, err := balance(briefly(t), table, also2, nil)
			wantError(t, err, ErrNotReady)
			if _, err := set.State("account").Get(soon(t), "a", nil); err != nil {
				t.Errorf("another table waits, too: %v", err)
			}

			s.end(open, end)
			set.awaitReady()
			want := map[string]int64{in2: 5, also2: 2, "elsewhere": 7}
			if end == kgo.TryAbort {
				want[in2] = -1
			}
			for key, want := range want {
				if have, err := balance(soon(t), table, key, nil); err != nil || have != want {
					t.Errorf("%s is %d, %v, want %d", key, have, err, want)
				}
			}
		})
	}
}

// A set that waits for a transaction ends when it is told to.
func TestStopWhileATransactionIsOpen(t *testing.T) {
	s := newSystem(t)
	open := s.transaction("p", s.balanceRow("a", 5))
	set := s.open()
	eventually(t, func() error { return contains(set.Ready(), "open transaction") })
	began := time.Now()
	set.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}
	s.end(open, kgo.TryAbort)
}

// While the views run, an open transaction holds back what follows it, and nothing of it is seen
// before its commit.
func TestTransactionWhileTailing(t *testing.T) {
	s := newSystem(t)
	set := s.start()
	table := set.Projection("balances")
	in2, also2 := keyIn("acc-", 2), keyIn("other-", 2)
	open := s.transaction("p", s.balanceRow(in2, 5), progressRecord("balances-table", 2, at(2, 9)))
	produce(t, s.producer, s.balanceRow(also2, 2))
	_, err := table.Get(briefly(t), in2, foldlog.Token{at(2, 9)})
	wantError(t, err, ErrNotYetVisible)
	if have, err := balance(soon(t), table, in2, nil); err != nil || have != -1 {
		t.Errorf("a row of an open transaction: %d, %v", have, err)
	}
	s.end(open, kgo.TryCommit)
	if have, err := balance(soon(t), table, in2, foldlog.Token{at(2, 9)}); err != nil || have != 5 {
		t.Errorf("after the commit: %d, %v", have, err)
	}
	awaitBalance(t, table, also2, 2)
}

// Many transactions, some aborted, over restarts: the stores end up with what was committed.
func TestTransactionsOverRestarts(t *testing.T) {
	s := newSystem(t)
	clients := []*kgo.Client{s.client(kgo.TransactionalID("p0")), s.client(kgo.TransactionalID("p1"))}
	want := map[string]int64{}
	version := int64(0)
	var set *running
	for round := range 4 {
		if set != nil {
			set.stop()
		}
		send := func() {
			for i := range 10 {
				c := clients[i%2]
				if err := c.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
				written := map[string]int64{}
				for k := range 6 {
					version++
					id := fmt.Sprintf("acc-%d", (k*3+i)%11)
					written[id] = version
					produce(t, c, s.balanceRow(id, version), progressRecord("balances-table", homeOf(id), at(homeOf(id), version)))
				}
				if (i+round)%3 == 0 {
					s.end(c, kgo.TryAbort)
					continue
				}
				s.end(c, kgo.TryCommit)
				for id, v := range written {
					want[id] = v
				}
			}
		}
		send() // read by the restore
		set = s.start()
		send() // read by the tail
	}
	for _, step := range []func(){func() {}, func() { set.stop(); set = s.start() }} {
		step()
		for id, v := range want {
			have, err := balance(soon(t), set.Projection("balances"), id, foldlog.Token{at(homeOf(id), v)})
			if err != nil || have != v {
				t.Errorf("%s is %d, %v, want %d", id, have, err, v)
			}
		}
		lacksNothing(t, set)
	}
	if n := set.metric("foldlog_view_rebuilds_total") + set.metric("foldlog_view_restarts_total"); n != 0 {
		t.Errorf("%v rebuilds and restarts", n)
	}
}

func contains(err error, texts ...string) error {
	if err == nil {
		return errors.New("no error")
	}
	return containsAll(err.Error(), texts)
}
