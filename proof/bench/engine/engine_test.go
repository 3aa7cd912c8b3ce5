package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/kafkatest"
)

// TestMain makes this test program a peer if it was started as one.
func TestMain(m *testing.M) {
	if text := os.Getenv(envChild); text != "" {
		if err := runChild(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(kafkatest.Main(m))
}

// All peers, and all parts, so small that the figures say nothing but that they were taken and that
// the output was right.
func TestEveryPartWithEveryPeer(t *testing.T) {
	kafkatest.Need(t)
	profiles := t.TempDir()
	s, err := parseFlags([]string{"--quick", "--commands", "20000", "--few-keys", "500", "--many-keys", "5000", "--each", "1s", "--rates", "300",
		"--events", "2", "--parts", "throughput", "--streams-dir", "../peers/kafka-streams", "--streams-heap-mb", "256", "--dir", t.TempDir(), "--profile", profiles})
	if err != nil {
		t.Fatal(err)
	}
	s.WarmUp = 2000
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	if err := s.prepare(ctx); err != nil {
		t.Fatal(err)
	}
	m := &measurement{settings: s, results: newResults(s)}
	if m.site, err = openSite(ctx, s, 1); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.site.close(); err != nil {
			t.Error(err)
		}
	}()
	if err := m.all(ctx); err != nil {
		t.Fatal(err)
	}
	m.settings.Parts, m.settings.Peers = []string{partLatency, partRestore, partBank}, []string{ours, streams}
	stalls := 0
	if os.Getenv("FOLDLOG_TEST_LONG") == "1" {
		m.settings.Parts, stalls = append(m.settings.Parts, partStalls), 4
	} else {
		t.Log("SKIPPED: stalls on three brokers take another minute; FOLDLOG_TEST_LONG=1 measures them, too")
	}
	m.settings.Faults = []string{faultTerm, faultLeader} // the others take longer
	m.results.Settings = m.settings
	if err := m.all(ctx); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	m.results.print(&text)
	t.Log(text.String())
	for _, p := range peers() {
		if n := strings.Count(text.String(), p.about); n < 1 {
			t.Errorf("the report does not name %s", p.name)
		}
		ran := slices.ContainsFunc(m.results.Throughput, func(f throughput) bool { return f.Peer == p.name && f.PerSecond > 0 && f.AppCPU > 0 && f.BrokerCPU > 0 })
		if !ran {
			t.Errorf("no throughput of %s in %+v", p.name, m.results.Throughput)
		}
	}
	for _, l := range m.results.Latency {
		if l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max {
			t.Errorf("latencies are in no order: %+v", l)
		}
	}
	for _, r := range m.results.Restore {
		if r.Reading <= 0 || r.Reading > r.Running {
			t.Errorf("the restore took no time, or more than it took: %+v", r)
		}
	}
	for _, v := range m.results.Stalls {
		if v.Longest <= 0 || v.Longest > patience.Seconds() {
			t.Errorf("a stall that cannot be: %+v", v)
		}
	}
	if len(m.results.Stalls) != stalls || len(m.results.Latency) != 2 || len(m.results.Restore) != 2 || len(m.results.Bank) != 1 {
		t.Errorf("parts are missing: %+v", m.results)
	}
	for _, name := range []string{"bank", "exactlyonce-500-keys"} {
		if info, err := os.Stat(filepath.Join(profiles, name+".pprof")); err != nil || info.Size() == 0 {
			t.Errorf("no profile %s: %v", name, err)
		}
	}
	t.Run("wrong output is found", func(t *testing.T) { testWrongOutputIsFound(t, m.site) })
}

// Each case is a peer that does its work but for one thing.
func testWrongOutputIsFound(t *testing.T, b *site) {
	w := workload{Commands: 50, Keys: 7, EventsPerCommand: 1}
	type output struct{ events, outcomes, rows []*kgo.Record }
	for name, c := range map[string]struct {
		spoil func(*output)
		want  string
	}{
		"nothing":           {func(*output) {}, ""},
		"lost outcome":      {func(o *output) { o.outcomes = o.outcomes[1:] }, "49 outcomes"},
		"double outcome":    {func(o *output) { o.outcomes = append(o.outcomes, o.outcomes[3]) }, "second outcome for command 3"},
		"double event":      {func(o *output) { o.events = append(o.events, o.events[3]) }, "51 events"},
		"lost last row":     {func(o *output) { o.rows = o.rows[:len(o.rows)-1] }, "1 of 7 rows are wrong"},
		"row of no account": {func(o *output) { o.rows = append(o.rows, &kgo.Record{Key: []byte("x"), Value: []byte("1 1")}) }, "8 rows, want 7"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := peerNamed(ours)
			if err != nil {
				t.Fatal(err)
			}
			at, err := b.newTask(t.Context(), p, "", 1)
			if err != nil {
				t.Fatal(err)
			}
			var o output
			state := map[int]row{}
			for i := range w.Commands {
				key := w.keyOf(i)
				d, err := decide(state[key], commandText(i), 1)
				if err != nil {
					t.Fatal(err)
				}
				state[key] = d.row
				o.events = append(o.events, &kgo.Record{Topic: at.Events, Key: keyText(key), Value: d.events[0]})
				o.outcomes = append(o.outcomes, &kgo.Record{Topic: at.Outcomes, Key: keyText(key), Value: d.outcome})
				o.rows = append(o.rows, &kgo.Record{Topic: at.Table, Key: keyText(key), Value: d.encoded})
			}
			c.spoil(&o)
			for topic, records := range map[string][]*kgo.Record{at.Events: o.events, at.Outcomes: o.outcomes, at.Table: o.rows} {
				for _, r := range records {
					if err := b.client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value}).FirstErr(); err != nil {
						t.Fatal(err)
					}
				}
			}
			err = b.verify(t.Context(), p, at, w)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestExpectedRowsAreThoseOfTheDecisions(t *testing.T) {
	w := workload{Commands: 5000, Keys: 100, EventsPerCommand: 2}
	rows := make([]row, w.Keys)
	for i := range w.Commands {
		r := &rows[w.keyOf(i)]
		d, err := decide(*r, commandText(i), w.EventsPerCommand)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parseRow(d.encoded)
		if err != nil || parsed != d.row || len(d.events) != 2 {
			t.Fatalf("command %d leads to %+v (%v)", i, d, err)
		}
		if id, err := idOf(d.outcome); err != nil || id != i {
			t.Fatalf("the outcome of command %d is %q (%v)", i, d.outcome, err)
		}
		*r = d.row
	}
	if want := w.expected(); !slices.Equal(rows, want) {
		t.Errorf("got %v, want %v", rows, want)
	}
	if got := len(commandText(3)); got < 28 || got > 34 {
		t.Errorf("a command has %d bytes, not about 30", got)
	}
	for _, bad := range []string{"", "c1", "c1 x text", "c1 7"} {
		if d, err := decide(row{}, []byte(bad), 1); err == nil {
			t.Errorf("%q was taken for a command: %+v", bad, d)
		}
	}
}

func TestPercentilesCountFromDue(t *testing.T) {
	begin := time.Unix(1000, 0)
	due := func(i int) time.Time { return begin.Add(time.Duration(i) * time.Millisecond) }
	seen := make([]time.Time, 1000)
	for i := range seen {
		seen[i] = due(i).Add(time.Duration(i+1) * time.Millisecond) // 1 to 1000 ms
	}
	if got, want := percentiles(seen, due), (latency{P50: 500, P99: 990, P999: 999, Max: 1000}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestACommandOnTheWayMeetsTheNextFault(t *testing.T) {
	begin := time.Unix(1000, 0)
	due := func(i int) time.Time { return begin.Add(time.Duration(i) * 100 * time.Millisecond) }
	seen := make([]time.Time, 60)
	for i := range seen {
		seen[i] = due(i).Add(10 * time.Millisecond)
	}
	// the first fault holds up a command until after the second, which holds up two that are on the
	// way
	for _, i := range []int{5, 18, 19, 20, 25} {
		seen[i] = due(30)
	}
	s := &stalling{peer: peer{name: ours}}
	got := s.longest([]window{{fault: faultKill, to: 20}, {fault: faultKill, end: true, from: 20, to: 40}, {fault: faultRoll, from: 40, to: 60}}, due, seen)
	want := []stall{{Peer: ours, Fault: faultKill, Longest: 2.5}, {Peer: ours, Fault: faultKill, End: true, Longest: 1.2}, {Peer: ours, Fault: faultRoll, Longest: 0.01}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestReportComparesWithKafkaStreams(t *testing.T) {
	s, err := parseFlags([]string{"--runs", "3"})
	if err != nil {
		t.Fatal(err)
	}
	r := newResults(s)
	for _, rate := range []float64{100, 300, 200} {
		r.Throughput = append(r.Throughput, throughput{Peer: ours, Keys: 1000, PerSecond: 3 * rate, AppCPU: 1},
			throughput{Peer: streams, Keys: 1000, PerSecond: rate, AppCPU: 4})
	}
	var text bytes.Buffer
	r.print(&text)
	for _, want := range []string{"600 (300-900)", "3.00x", "200 (100-300)", "0.25x", "1.00x"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in:\n%s", want, text.String())
		}
	}
	s.Record, s.JSON = filepath.Join(t.TempDir(), "history"), filepath.Join(t.TempDir(), "all.json")
	if err := r.save(s); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(s.Record, "*.json"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept %v, %v", kept, err)
	}
	for _, file := range append(kept, s.JSON) {
		content, err := os.ReadFile(file)
		var back results
		if err = errors.Join(err, json.Unmarshal(content, &back)); err != nil || len(back.Throughput) != 6 {
			t.Errorf("%s: %d throughputs, %v", file, len(back.Throughput), err)
		}
	}
}

func TestFlagsAreChecked(t *testing.T) {
	for _, args := range []string{"--parts nothing", "--faults none,nothing", "--peers nobody", "--rates 0", "--runs 0", "--commands 100", "--commands 4000", "what"} {
		if s, err := parseFlags(strings.Fields(args)); err == nil {
			t.Errorf("%s was taken: %+v", args, s)
		}
	}
	s, err := parseFlags([]string{"--quick", "--commands", "9000"})
	if err != nil || s.Commands != 9000 || s.Runs != 1 {
		t.Errorf("got %+v, %v", s, err)
	}
}
