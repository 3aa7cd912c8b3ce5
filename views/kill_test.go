package views

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/topology"
)

// childEnv makes the test binary run views until it is killed.
const childEnv = "FOLDLOG_TEST_VIEWS_CHILD"

type childConfig struct {
	Brokers  []string
	Registry string
	DataDir  string
	Settings topology.Settings
}

// TestChild is the process that the tests below kill; by itself it does nothing.
func TestChild(t *testing.T) {
	text := os.Getenv(childEnv)
	if text == "" {
		t.Skip("runs as a child of the tests that kill it")
	}
	var c childConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	set, err := Open(Config{
		Topology: bank.Topology(), Settings: c.Settings, Codecs: bankCodecs(t, c.Registry), Cluster: cluster.Config{Brokers: c.Brokers},
		DataDir: c.DataDir, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		applied := false
		for set.Ready() != nil {
			if !applied && slices.Max(set.Projection("balances").replica.positions()) > 0 {
				applied = true
				fmt.Println("APPLIED")
			}
			time.Sleep(time.Millisecond)
		}
		fmt.Println("READY")
	}()
	if err := set.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// child starts a process that runs views on the system's data directory.
func (s *system) child() (*exec.Cmd, io.Reader) {
	s.t.Helper()
	env, err := json.Marshal(childConfig{Brokers: s.cluster.Brokers, Registry: s.broker.RegistryURL(), DataDir: s.dataDir, Settings: s.settings})
	if err != nil {
		s.t.Fatal(err)
	}
	child := exec.CommandContext(soon(s.t), os.Args[0], "-test.run=^TestChild$")
	child.Env = append(os.Environ(), childEnv+"="+string(env))
	child.Stderr = s.t.Output()
	out, err := child.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		s.t.Fatal(err)
	}
	return child, out
}

// A killed process leaves a store that goes on where it was, without a rebuild, and without the
// loss of a row.
func TestKill(t *testing.T) {
	s := newSystem(t)
	const keys = 50
	version := int64(0)
	for range 4 {
		child, out := s.child()
		lines := bufio.NewScanner(out)
		for lines.Scan() && lines.Text() != "READY" {
		}
		for range 5 { // killed while it applies
			var records []*kgo.Record
			version++
			for k := range keys {
				id := fmt.Sprintf("acc-%d", k)
				records = append(records, s.balanceRow(id, version), progressRecord("balances-table", homeOf(id), at(homeOf(id), version)))
			}
			produce(t, s.producer, records...)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait()
	}
	set := s.start()
	table := set.Projection("balances")
	for k := range keys {
		id := fmt.Sprintf("acc-%d", k)
		have, err := balance(soon(t), table, id, foldlog.Token{at(homeOf(id), version)})
		if err != nil || have != version {
			t.Errorf("%s is %d, %v, want %d", id, have, err, version)
		}
	}
	if n := set.metric("foldlog_view_rebuilds_total"); n != 0 {
		t.Errorf("%v rebuilds", n)
	}
	if n := set.metric("foldlog_view_records_total", "topic=balances-table", "kind=row"); n >= keys*float64(version) {
		t.Errorf("all %v rows were read again", n)
	}
}

// A restore that is killed goes on where it was, too.
func TestKillDuringTheRestore(t *testing.T) {
	s := newSystem(t)
	const rows = 100_000
	batching := s.client(kgo.ProducerLinger(10 * time.Millisecond))
	failed := make(chan error, rows)
	for i := range int64(rows) {
		batching.Produce(soon(t), s.balanceRow(fmt.Sprintf("acc-%d", i), i), func(_ *kgo.Record, err error) { failed <- err })
	}
	for range rows {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	child, out := s.child()
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "APPLIED" {
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	set := s.start()
	if n := set.metric("foldlog_view_rebuilds_total"); n != 0 {
		t.Errorf("%v rebuilds", n)
	}
	if n := stored(t, set.Projection("balances").replica, kindRow); n != rows {
		t.Errorf("%d rows, want %d", n, rows)
	}
	if n := set.metric("foldlog_view_records_total", "topic=balances-table"); n >= rows {
		t.Errorf("all %v rows were read again", n)
	}
}
