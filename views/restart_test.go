package views

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
)

func TestRestartKeepsTheStoreAndCatchesUp(t *testing.T) {
	s := newSystem(t)
	produce(t, s.producer, s.balanceRow("a", 1), s.balanceRow("b", 1))
	first := s.start()
	first.stop()
	produce(t, s.producer, s.balanceRow("a", 2), &kgo.Record{Topic: "balances-table", Key: []byte("b")}, s.balanceRow("c", 3))
	set := s.start()
	table := set.Projection("balances")
	for key, want := range map[string]int64{"a": 2, "b": -1, "c": 3} {
		if have, err := balance(soon(t), table, key, nil); err != nil || have != want {
			t.Errorf("%s is %d, %v, want %d", key, have, err, want)
		}
	}
	if n := set.metric("foldlog_view_records_total", "topic=balances-table"); n != 3 {
		t.Errorf("%v records were read, want the 3 new ones", n)
	}
	if n := set.metric("foldlog_view_rebuilds_total"); n != 0 {
		t.Errorf("%v rebuilds", n)
	}
	if info, err := os.Stat(filepath.Join(s.dataDir, "views")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data directory: %v, %v", info.Mode(), err)
	}
}

func TestDataDirectoryIsForOne(t *testing.T) {
	s := newSystem(t)
	set := s.start()
	other := Config{Topology: s.topology, Settings: s.settings, Codecs: s.codecs, Cluster: s.cluster, DataDir: s.dataDir}
	if _, err := Open(other); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second set on the directory: %v", err)
	}
	other.DataDir, other.Metrics = t.TempDir(), set.metrics
	if _, err := Open(other); err == nil || !strings.Contains(err.Error(), "registerer") {
		t.Errorf("a second set on the registerer: %v", err)
	}
	if n := set.metric("foldlog_view_recovered"); n != 10 {
		t.Errorf("the first set's metrics are gone: %v recovered", n)
	}
	set.stop()
	other.DataDir = s.dataDir
	again, err := Open(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Open(Config{MaxLag: -1}); err == nil {
		t.Error("an empty configuration is accepted")
	}
}

func TestBrokerIsAwayAtStartAndInTheMiddle(t *testing.T) {
	s := newSystem(t)
	produce(t, s.producer, s.balanceRow("a", 1))
	s.stopBroker()
	set := s.open()
	table := set.Projection("balances")
	eventually(t, func() error {
		if n := set.metric("foldlog_view_restarts_total", "topic=balances-table"); n < 2 {
			return fmt.Errorf("%v attempts", n)
		}
		return nil
	})
	wantError(t, set.Ready(), ErrNotReady, "balances-table", "account.outcomes", "attempt failed")
	_, err := balance(briefly(t), table, "a", nil)
	wantError(t, err, ErrNotReady)

	s.startBroker()
	set.awaitReady()
	awaitBalance(t, table, "a", 1)

	restarts := set.metric("foldlog_view_restarts_total", "topic=balances-table")
	s.stopBroker()
	eventually(t, func() error {
		if set.metric("foldlog_view_restarts_total", "topic=balances-table") == restarts {
			return errStill
		}
		return nil
	})
	ready := table.replica.ready(DefaultMaxLag, time.Now().Add(staleAfter+time.Second))
	if err := contains(ready, "balances-table", "disconnected"); err != nil {
		t.Error(err)
	}
	// What is there is still read, and what is not there is waited for.
	if have, err := balance(soon(t), table, "a", nil); err != nil || have != 1 {
		t.Errorf("while the broker is away: %d, %v", have, err)
	}
	_, err = balance(briefly(t), table, "a", foldlog.Token{at(homeOf("a"), 5)})
	wantError(t, err, ErrNotYetVisible)

	s.startBroker()
	produce(t, s.client(), s.balanceRow("a", 2))
	set.awaitReady()
	awaitBalance(t, table, "a", 2)
	if n := set.metric("foldlog_view_rebuilds_total"); n != 0 {
		t.Errorf("%v rebuilds", n)
	}
	select {
	case err := <-set.done:
		t.Fatalf("the set ended: %v", err)
	default:
	}
}

// A set that never got through to Kafka ends at once when it is told to.
func TestStopWithoutABroker(t *testing.T) {
	s := newSystem(t)
	s.stopBroker()
	set := s.open()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	set.cancel()
	select {
	case err := <-set.done:
		if err != nil {
			t.Error(err)
		}
		set.done <- nil
	case <-ctx.Done():
		t.Error("the set did not stop")
	}
}
