package results_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog/proof/torture/results"
)

const second = int64(time.Second)

// times returns nanoseconds of seconds.
func times(seconds ...float64) []int64 {
	var all []int64
	for _, s := range seconds {
		all = append(all, int64(s*float64(second)))
	}
	return all
}

func TestStalls(t *testing.T) {
	span := func(kind string, from, to float64) results.Span {
		return results.Span{Kind: kind, From: times(from)[0], To: times(to)[0]}
	}
	for name, test := range map[string]struct {
		spans     []results.Span
		successes [][]int64
		end       float64
		want      map[string]float64
	}{
		"answers go on": {[]results.Span{span("kill", 1, 3)}, [][]int64{times(0.9, 1.1, 1.2, 2, 2.9)}, 3, map[string]float64{"kill": 0.9}},
		"from the fault, not from the answer before": {[]results.Span{span("kill", 5, 20)}, [][]int64{times(1, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19)}, 20,
			map[string]float64{"kill": 3}},
		"the worst partition counts":    {[]results.Span{span("kill", 1, 4)}, [][]int64{times(1.5, 2, 2.5, 3, 3.5, 4), times(3.2, 4)}, 4, map[string]float64{"kill": 2.2}},
		"a later gap of the same fault": {[]results.Span{span("freeze", 1, 12)}, [][]int64{times(1.1, 2, 9, 10, 11, 12)}, 12, map[string]float64{"freeze": 7}},
		"never answered again":          {[]results.Span{span("kill", 1, 10)}, [][]int64{times(0.5)}, 10, map[string]float64{"kill": 9}},
		"a stall over two faults counts for both, from each one's beginning": {[]results.Span{span("kill", 1, 4), span("term", 4, 20)},
			[][]int64{times(0.9, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)}, 20, map[string]float64{"kill": 6, "term": 3}},
		"answers in any order, late ones ignored": {[]results.Span{span("kill", 1, 5)}, [][]int64{times(4, 2, 3, 99)}, 5, map[string]float64{"kill": 1}},
		"the worst of a kind":                     {[]results.Span{span("kill", 1, 3), span("kill", 3, 9)}, [][]int64{times(2, 3, 8, 9)}, 9, map[string]float64{"kill": 5}},
		"no faults":                               {nil, [][]int64{times(1)}, 2, map[string]float64{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := results.Stalls(test.spans, test.successes, times(test.end)[0])
			if len(got) != len(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			for kind, want := range test.want {
				if difference := got[kind].Seconds() - want; difference > 0.001 || difference < -0.001 {
					t.Errorf("%s: got %s, want %.1fs", kind, got[kind], want)
				}
			}
		})
	}
}

func TestResultsFileAndReport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.jsonl")
	for _, s := range []results.Summary{
		{Scenario: "kill", Seed: 1, Broker: "kafka-1", LoadSeconds: 90, Acknowledged: 1000, Produced: 10, Kills: 5, Verdict: results.Passed,
			Stalls: map[string]float64{"kill": 11.5}, Restarts: map[string]int{"fenced": 1}, SettleSeconds: 3},
		{Scenario: "kill", Seed: 2, Broker: "kafka-1", LoadSeconds: 30, Acknowledged: 500, Kills: 2, Verdict: results.Passed,
			Stalls: map[string]float64{"kill": 12.5}, Restarts: map[string]int{"fenced": 2}, SettleSeconds: 5},
		{Scenario: "broker-kill", Seed: 3, Broker: "kafka-3", LoadSeconds: 60, Acknowledged: 7, BrokerFaults: 4, Verdict: results.Violated, Violations: 9, SettleSeconds: -1},
		{Scenario: "kill", Seed: 4, Broker: "kafka-1", Planted: "no-generation", Kills: 99, Verdict: results.Violated, Violations: 55},
		{Scenario: "disk-full", Seed: 5, Broker: "kafka-1", Verdict: results.Skipped, Why: "no right to mount"},
	} {
		if err := results.Append(file, s); err != nil {
			t.Fatal(err)
		}
	}
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	runs, err := results.Load(in)
	if err != nil || len(runs) != 5 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	report := results.Report(runs)
	if strings.Contains(report, "disk-full") {
		t.Errorf("a run that was skipped counts:\n%s", report)
	}
	for _, want := range []string{
		"| kill (kafka-1) | 2 | 2 | 7 | 0 | 2.0 | 1510 | 0 | 0 | kill 12.5 | fenced 3 | 5.0 |",
		"| broker-kill (kafka-3) | 1 | 0 | 0 | 4 | 1.0 | 7 | 0 | 9 |",
		"| **sum** | 3 | 2 | 7 | 4 | 3.0 | 1517 | 0 | 9 |",
		"| no-generation in kill | 1 | 1 | 55 |",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("the report lacks %q:\n%s", want, report)
		}
	}
}

func TestBrokenResultsFileNamesTheLine(t *testing.T) {
	_, err := results.Load(strings.NewReader("{\"scenario\":\"kill\"}\n\n{broken\n"))
	if err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("got %v", err)
	}
}

func TestOnlyAPassedRunIsGood(t *testing.T) {
	for _, test := range []struct {
		s    results.Summary
		good bool
	}{
		{results.Summary{Verdict: results.Passed}, true},
		{results.Summary{Verdict: results.Passed, Problems: []string{"it took 70s to settle"}}, false},
		{results.Summary{Verdict: results.Violated}, false},
		{results.Summary{Verdict: results.Unchecked}, false},
		{results.Summary{Verdict: results.Incomplete}, false},
		{results.Summary{Verdict: results.Skipped, Why: "no right to mount"}, true},
	} {
		if test.s.Good() != test.good {
			t.Errorf("%+v is said to be good: %v", test.s, test.s.Good())
		}
	}
}
