package views

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
)

func TestFirstOutcomeStands(t *testing.T) {
	s := newSystem(t)
	now := time.Now()
	first := accepted("a", "cmd", 1, at(homeOf("a"), 10), now)
	repeat := first
	repeat.Repeat = true
	second := accepted("a", "cmd", 2, at(homeOf("a"), 12), now.Add(time.Minute))
	produce(t, s.producer, s.outcomeRecord(first, at(homeOf("a"), 10)), s.outcomeRecord(repeat, at(homeOf("a"), 11)),
		s.outcomeRecord(second, at(homeOf("a"), 12)))
	early := accepted("c", "cmd", 1, at(homeOf("c"), 5), now)
	early.Repeat = true // its first one is not in the log any more
	other := accepted("b", "cmd", 7, at(homeOf("b"), 1), now)
	produce(t, s.producer, s.outcomeRecord(early, at(homeOf("c"), 5)), s.outcomeRecord(other, at(homeOf("b"), 1)))
	set := s.start()
	check := func(outcomes *Outcomes) {
		t.Helper()
		have, ok, err := outcomes.Get(soon(t), "a", "cmd")
		if err != nil || !ok || have.Version != 1 || have.Repeat || !slices.Equal(have.EventIDs, first.EventIDs) ||
			!have.RecordedAt.Equal(first.RecordedAt) {
			t.Errorf("outcome %+v, %v, %v", have, ok, err)
		}
		if have, ok, err := outcomes.Get(soon(t), "b", "cmd"); err != nil || !ok || have.Version != 7 {
			t.Errorf("outcome of the other aggregate %+v, %v, %v", have, ok, err)
		}
		for _, id := range [][2]string{{"a", "other"}, {"acm", "d"}, {"", "acmd"}, {"c", "cmd"}} {
			if _, ok, err := outcomes.Get(soon(t), id[0], id[1]); ok || err != nil {
				t.Errorf("an outcome for %q: %v, %v", id, ok, err)
			}
		}
	}
	check(set.Outcomes("account"))
	if n := set.metric("foldlog_view_records_total", "topic=account.outcomes", "kind=repeat"); n != 3 {
		t.Errorf("%v repeats, want 3", n)
	}
	set.stop()
	check(s.start().Outcomes("account"))
}

func TestUndecodableOutcomesAreSkipped(t *testing.T) {
	s := newSystem(t)
	set := s.start()
	id := keyIn("acc-", 1)
	produce(t, s.producer,
		&kgo.Record{Topic: "account.outcomes", Key: []byte(id), Value: []byte("no avro")},
		&kgo.Record{Topic: "account.outcomes", Key: []byte(id), Value: []byte{0, 0, 0, 255, 255, 1, 2, 3}},
		&kgo.Record{Topic: "account.outcomes", Key: []byte(id)},
		s.outcomeRecord(accepted(id, "cmd", 1, at(1, 3), time.Now()), at(1, 3)))
	eventually(t, func() error {
		if _, ok, err := set.Outcomes("account").Get(soon(t), id, "cmd"); !ok {
			return errors.Join(err, errStill)
		}
		return nil
	})
	if n := set.metric("foldlog_view_records_total", "topic=account.outcomes", "kind=ignored"); n != 3 {
		t.Errorf("%v records ignored, want 3", n)
	}
}

func TestExpectation(t *testing.T) {
	s := newSystem(t)
	set := s.start()
	outcomes := set.Outcomes("account")
	id := keyIn("acc-", 2)
	now := time.Now()

	// It arrives before the wait, among others.
	e := outcomes.Expect(id, "cmd")
	defer e.Close()
	first := accepted(id, "cmd", 1, at(2, 10), now)
	repeat := first
	repeat.Repeat = true
	produce(t, s.producer, s.outcomeRecord(first, at(2, 10)), s.outcomeRecord(repeat, at(2, 20)), s.outcomeRecord(repeat, at(2, 30)),
		s.outcomeRecord(accepted(id, "other", 2, at(2, 40), now), at(2, 40)))
	eventually(t, func() error {
		if _, ok, err := outcomes.Get(soon(t), id, "other"); !ok {
			return errors.Join(err, errStill)
		}
		return nil
	})
	have, err := e.Wait(soon(t), at(2, 20))
	if err != nil || !have.Repeat || have.Position != at(2, 10) {
		t.Errorf("the repeat is %+v, %v", have, err)
	}
	if have, err = e.Wait(soon(t), at(2, 10)); err != nil || have.Repeat {
		t.Errorf("the first is %+v, %v", have, err)
	}

	// The answer to somebody else's copy of the command is not ours.
	_, err = e.Wait(briefly(t), at(2, 50))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waited for another's: %v", err)
	}

	// It arrives during the wait.
	got := make(chan error, 1)
	go func() {
		_, err := e.Wait(soon(t), at(2, 50))
		got <- err
	}()
	produce(t, s.producer, s.outcomeRecord(repeat, at(2, 50)))
	if err := <-got; err != nil {
		t.Error(err)
	}

	if n := set.metric("foldlog_view_outcome_waiters", "topic=account.outcomes"); n != 1 {
		t.Errorf("%v waiters, want 1", n)
	}
	e.Close()
	e.Close()
	if n := set.metric("foldlog_view_outcome_waiters", "topic=account.outcomes"); n != 0 || len(outcomes.pending.byID) != 0 {
		t.Errorf("%v waiters after Close, %d kept", n, len(outcomes.pending.byID))
	}
}

// Many clients expect, produce and wait at once, some for the same command: each gets the answer to
// its own record.
func TestExpectationsUnderLoad(t *testing.T) {
	s := newSystem(t)
	set := s.start()
	outcomes := set.Outcomes("account")
	const clients, rounds = 16, 60
	var offset atomic.Int64
	var wait sync.WaitGroup
	for c := range clients {
		wait.Go(func() {
			for i := range rounds {
				id := fmt.Sprintf("acc-%d", (c+i)%7)
				command := fmt.Sprintf("cmd-%d", i%3)
				e := outcomes.Expect(id, command)
				cause := at(homeOf(id), offset.Add(1))
				o := accepted(id, command, cause.Offset, cause, time.Now())
				record := s.outcomeRecord(o, cause)
				if i%2 == 0 { // the outcome may be there before the wait begins
					if err := s.producer.ProduceSync(soon(t), record).FirstErr(); err != nil {
						t.Error(err)
					}
				} else {
					s.producer.Produce(context.WithoutCancel(t.Context()), record, nil)
				}
				have, err := e.Wait(soon(t), cause)
				if err != nil || have.Version != cause.Offset {
					t.Errorf("client %d round %d: %+v, %v", c, i, have, err)
				}
				e.Close()
			}
		})
	}
	wait.Wait()
	if len(outcomes.pending.byID) != 0 {
		t.Errorf("%d expectations are left", len(outcomes.pending.byID))
	}
}

// Nobody who floods the log with one command id makes the server keep it all.
func TestExpectationIsBounded(t *testing.T) {
	x := NewExpectations(newMetrics().of("t").waiters)
	e := x.Expect("a", "b")
	for i := range int64(10 * maxKept) {
		x.Arrived("a", []byte(at(0, i).String()), foldlog.Outcome{CommandID: "b", Version: i})
	}
	if len(e.arrived) != maxKept {
		t.Errorf("%d outcomes kept", len(e.arrived))
	}
	if have, err := e.Wait(soon(t), at(0, 10*maxKept-1)); err != nil || have.Version != 10*maxKept-1 {
		t.Errorf("the last one is %+v, %v", have, err)
	}
}

func TestHorizon(t *testing.T) {
	s := newSystem(t)
	var clock atomic.Int64 // how far ahead of the real time the views are, in nanoseconds
	now := func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
	set := s.openAt(now)
	set.awaitReady()
	outcomes := set.Outcomes("account")
	id := keyIn("acc-", 3)
	get := func(command string) (foldlog.Outcome, bool) {
		t.Helper()
		o, ok, err := outcomes.Get(soon(t), id, command)
		if err != nil {
			t.Fatal(err)
		}
		return o, ok
	}
	seen := func(command string, version int64) {
		t.Helper()
		eventually(t, func() error {
			if o, ok := get(command); !ok || o.Version != version {
				return fmt.Errorf("%s: %+v, %v", command, o, ok)
			}
			return nil
		})
	}
	horizon := s.settings.Horizon
	old := time.Now().Add(-horizon - time.Hour)
	nearly := time.Now().Add(-horizon + time.Hour)
	produce(t, s.producer, s.outcomeRecord(accepted(id, "old", 1, at(3, 1), old), at(3, 1)),
		s.outcomeRecord(accepted(id, "nearly", 1, at(3, 2), nearly), at(3, 2)), s.outcomeRecord(accepted(id, "new", 1, at(3, 3), time.Now()), at(3, 3)))
	seen("new", 1)
	seen("nearly", 1)
	if o, ok := get("old"); ok {
		t.Errorf("an outcome beyond the horizon: %+v", o)
	}

	clock.Store(int64(2 * time.Hour))
	if o, ok := get("nearly"); ok {
		t.Errorf("an outcome that went beyond the horizon: %+v", o)
	}
	// The same id was executed again: that is its first outcome now, and the purge of the old one
	// leaves it alone.
	again := nearly.Add(horizon + time.Second)
	produce(t, s.producer, s.outcomeRecord(accepted(id, "nearly", 5, at(3, 4), again), at(3, 4)))
	seen("nearly", 5)
	if n, err := outcomes.purgeOnce(soon(t)); err != nil || n != 0 {
		t.Errorf("purged %d, %v: nothing is left that is too old", n, err)
	}

	clock.Store(int64(horizon + 3*time.Hour))
	if n, err := outcomes.purgeOnce(soon(t)); err != nil || n != 2 {
		t.Errorf("purged %d, %v, want 2", n, err)
	}
	if n := stored(t, outcomes.replica, kindOutcome) + stored(t, outcomes.replica, kindTime); n != 0 {
		t.Errorf("%d entries are left", n)
	}
	if n := set.metric("foldlog_view_outcomes_purged_total", "topic=account.outcomes"); n != 2 {
		t.Errorf("%v counted as purged, want 2", n)
	}
}

// A purge takes more than one step, and leaves what is within the horizon.
func TestPurgeInSteps(t *testing.T) {
	s := newSystem(t)
	var clock atomic.Int64
	set := s.openAt(func() time.Time { return time.Now().Add(time.Duration(clock.Load())) })
	set.awaitReady()
	outcomes := set.Outcomes("account")
	const many = 2*purgeStep + 17
	var records []*kgo.Record
	for i := range int64(many) {
		o := accepted("a", fmt.Sprintf("cmd-%d", i), i+1, at(homeOf("a"), i), time.Now().Add(time.Duration(i)*time.Millisecond))
		records = append(records, s.outcomeRecord(o, o.Position))
	}
	last := accepted("a", "last", many+1, at(homeOf("a"), many), time.Now().Add(24*time.Hour))
	produce(t, s.producer, append(records, s.outcomeRecord(last, last.Position))...)
	eventually(t, func() error {
		if _, ok, err := outcomes.Get(soon(t), "a", "last"); !ok {
			return errors.Join(err, errStill)
		}
		return nil
	})
	clock.Store(int64(s.settings.Horizon + 12*time.Hour))
	if n, err := outcomes.purgeOnce(soon(t)); err != nil || n != many {
		t.Errorf("purged %d, %v, want %d", n, err, many)
	}
	if n := stored(t, outcomes.replica, kindOutcome); n != 1 {
		t.Errorf("%d outcomes are left, want 1", n)
	}
	if _, ok, err := outcomes.Get(soon(t), "a", "last"); !ok || err != nil {
		t.Errorf("the last one is gone: %v", err)
	}
}

// A failure for a defect recorded nothing, so the outcome of the next attempt replaces it, and then
// stands.
func TestFailureGivesWay(t *testing.T) {
	s := newSystem(t)
	now := time.Now()
	failed := accepted("a", "cmd", 0, at(homeOf("a"), 10), now)
	failed.Accepted, failed.EventIDs, failed.Code = false, nil, foldlog.CodeInternal
	again := failed
	again.Position.Offset = 11
	mended := accepted("a", "cmd", 1, at(homeOf("a"), 12), now.Add(time.Minute))
	late := accepted("a", "cmd", 2, at(homeOf("a"), 13), now.Add(time.Minute))
	produce(t, s.producer, s.outcomeRecord(failed, at(homeOf("a"), 10)), s.outcomeRecord(again, at(homeOf("a"), 11)),
		s.outcomeRecord(mended, at(homeOf("a"), 12)), s.outcomeRecord(late, at(homeOf("a"), 13)))
	set := s.start()
	for range 2 {
		have, ok, err := set.Outcomes("account").Get(soon(t), "a", "cmd")
		if err != nil || !ok || !have.Accepted || have.Version != 1 {
			t.Errorf("after the mend: %+v, %v, %v", have, ok, err)
		}
		set.stop()
		set = s.start()
	}
}
