package views

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
)

// In a table by aggregate id, partition q follows from partition q of the command log alone.
func TestTokenOfATableByAggregateID(t *testing.T) {
	s := newSystem(t)
	in1, in2 := keyIn("one-", 1), keyIn("two-", 2)
	produce(t, s.producer, s.balanceRow(in1, 1), progressRecord("balances-table", 1, at(1, 10)))
	set := s.start()
	table := set.Projection("balances")

	row, err := table.Get(soon(t), in1, foldlog.Token{at(1, 10)})
	if err != nil || !row.Found {
		t.Fatalf("a token that is covered: %+v, %v", row, err)
	}
	if want := (foldlog.Token{at(1, 10)}); !slices.Equal(row.Position, want) {
		t.Errorf("position %v, want %v", row.Position, want)
	}
	if _, err := table.Get(soon(t), in1, foldlog.Token{at(2, 99), {Aggregate: "transfer", Partition: 1, Offset: 99}}); err != nil {
		t.Errorf("a token of other partitions and aggregates: %v", err)
	}
	_, err = table.Get(briefly(t), in1, foldlog.Token{at(1, 11)})
	wantError(t, err, ErrNotYetVisible, "balances-table/1", "account/1/11")
	_, err = table.Get(briefly(t), in2, foldlog.Token{at(2, 0)})
	wantError(t, err, ErrNotYetVisible)
	_, err = table.List(briefly(t), ListQuery{Token: foldlog.Token{at(1, 10), at(2, 0)}})
	wantError(t, err, ErrNotYetVisible, "balances-table/2", "account/2/0")
	if _, err := table.List(soon(t), ListQuery{Token: foldlog.Token{at(1, 10)}}); err != nil {
		t.Errorf("a list with a token that is covered: %v", err)
	}
	began := time.Now()
	_, err = table.List(soon(t), ListQuery{Token: foldlog.Token{at(partitions, 0)}})
	wantError(t, err, ErrNotYetVisible, "does not exist")
	_, err = table.List(soon(t), ListQuery{Token: foldlog.Token{at(-1, 0)}})
	wantError(t, err, ErrNotYetVisible, "does not exist")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a token that can never be covered was waited for %s", took)
	}

	// Progress never goes back, whatever order records have.
	produce(t, s.producer, progressRecord("balances-table", 1, at(1, 4)), progressRecord("balances-table", 2, at(2, 7)))
	page, err := table.List(soon(t), ListQuery{Token: foldlog.Token{at(2, 7)}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (foldlog.Token{at(1, 10), at(2, 7)}); !slices.Equal(page.Position, want) {
		t.Errorf("position of the list is %v, want %v", page.Position, want)
	}
}

// In a re-keyed table, partition q follows from every partition of the command log.
func TestTokenOfARekeyedTable(t *testing.T) {
	s := newSystem(t)
	in0 := keyIn("holder-", 0)
	topic := "accounts-by-holder-table"
	produce(t, s.producer, s.holderRow(in0, 1), progressRecord(topic, 0, at(3, 10)), progressRecord(topic, 0, at(1, 5)))
	set := s.start()
	table := set.Projection("accounts-by-holder")

	row, err := table.Get(soon(t), in0, foldlog.Token{at(3, 10), at(1, 5)})
	if err != nil {
		t.Fatal(err)
	}
	if want := (foldlog.Token{at(1, 5), at(3, 10)}); !slices.Equal(row.Position, want) {
		t.Errorf("position %v, want %v", row.Position, want)
	}
	_, err = table.Get(briefly(t), in0, foldlog.Token{at(2, 0)})
	wantError(t, err, ErrNotYetVisible, "account/2/0")
	_, err = table.Get(briefly(t), keyIn("holder-", 1), foldlog.Token{at(3, 10)})
	wantError(t, err, ErrNotYetVisible)
	_, err = table.List(briefly(t), ListQuery{Token: foldlog.Token{at(3, 10)}})
	wantError(t, err, ErrNotYetVisible)

	for q := range int32(partitions) {
		produce(t, s.producer, progressRecord(topic, q, at(3, 10+int64(q))))
	}
	page, err := table.List(soon(t), ListQuery{Token: foldlog.Token{at(3, 10)}})
	if err != nil {
		t.Fatal(err)
	}
	// Partition 1 of the log has reached one partition of the table alone, so the list cannot claim
	// it.
	if want := (foldlog.Token{at(3, 10)}); !slices.Equal(page.Position, want) {
		t.Errorf("position of the list is %v, want %v", page.Position, want)
	}
	_, err = table.List(briefly(t), ListQuery{Token: foldlog.Token{at(3, 11)}})
	wantError(t, err, ErrNotYetVisible)
}

// A read that waits sees the row that the token stands for as soon as its progress is there.
func TestReadWaitsForItsToken(t *testing.T) {
	s := newSystem(t)
	set := s.start()
	table := set.State("account")
	for i := range int64(20) {
		id := keyIn("acc-", int32(i%partitions))
		token := foldlog.Token{at(homeOf(id), i)}
		type answer struct {
			balance int64
			err     error
		}
		got := make(chan answer, 1)
		go func() {
			b, err := balance(soon(t), table, id, token)
			got <- answer{b, err}
		}()
		produce(t, s.producer, s.stateRow(id, i+1, 1000+i))
		select {
		case a := <-got:
			t.Fatalf("round %d: answered %+v before the progress was there", i, a)
		case <-time.After(20 * time.Millisecond):
		}
		produce(t, s.producer, progressRecord("account-table", homeOf(id), token[0]))
		if a := <-got; a.err != nil || a.balance != 1000+i {
			t.Fatalf("round %d: %+v", i, a)
		}
	}
}

func TestWaitingReadsEndWithTheSet(t *testing.T) {
	s := newSystem(t)
	set := s.start()
	id := keyIn("acc-", 0)
	got := make(chan error, 1)
	go func() {
		_, err := set.State("account").Get(context.WithoutCancel(t.Context()), id, foldlog.Token{at(0, 1)})
		got <- err
	}()
	eventually(t, func() error { return waiting(set.State("account").progress, 0) })
	set.stop()
	select {
	case err := <-got:
		wantError(t, err, ErrNotReady, "not running")
	case <-time.After(patience):
		t.Fatal("the read still waits")
	}
	_, err := set.State("account").List(soon(t), ListQuery{})
	wantError(t, err, ErrNotReady)
	_, _, err = set.Outcomes("account").Get(soon(t), "a", "b")
	wantError(t, err, ErrNotReady)
	if err := set.Ready(); err == nil {
		t.Error("a stopped set is ready")
	}
}

// The vector survives a restart with its rows: nothing is produced anew.
func TestProgressIsStored(t *testing.T) {
	s := newSystem(t)
	in0 := keyIn("holder-", 0)
	topic := "accounts-by-holder-table"
	produce(t, s.producer, s.holderRow(in0, 1), progressRecord(topic, 0, at(0, 8)), progressRecord(topic, 0, at(2, 9)))
	first := s.start()
	first.stop()
	set := s.start()
	row, err := set.Projection("accounts-by-holder").Get(soon(t), in0, foldlog.Token{at(0, 8), at(2, 9)})
	if err != nil || !row.Found {
		t.Fatalf("%+v, %v", row, err)
	}
	if n := set.metric("foldlog_view_records_total"); n != 0 {
		t.Errorf("%v records were read again", n)
	}
	produce(t, s.producer, &kgo.Record{Topic: topic, Key: []byte(in0)})
	eventually(t, func() error {
		row, err := set.Projection("accounts-by-holder").Get(soon(t), in0, nil)
		if err == nil && row.Found {
			return errStill
		}
		return err
	})
}
