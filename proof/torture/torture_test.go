package torture

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog/proof/history"
	"github.com/foldlog/foldlog/proof/torture/results"
)

// A point that the engine has and the crash scenario does not would never be tried.
func TestCrashPointsAreTheEngines(t *testing.T) {
	var ours []string
	for _, p := range points() {
		ours = append(ours, p.name)
	}
	source, err := os.ReadFile("../../processors/exactlyonce/points.go")
	if err != nil {
		t.Fatal(err)
	}
	var theirs []string
	for _, declared := range regexp.MustCompile(`point\w+ += "([a-z-]+)"`).FindAllSubmatch(source, -1) {
		theirs = append(theirs, string(declared[1]))
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	if !slices.Equal(ours, theirs) {
		t.Errorf("the scenario has %v, the engine %v", ours, theirs)
	}
}

func TestScenariosAndSets(t *testing.T) {
	for _, s := range Scenarios() {
		if s.Line == "" || s.inflict == nil || s.duration <= 0 {
			t.Errorf("scenario %q is not complete: %+v", s.Name, s)
		}
		if s.proxied && s.brokers != 3 {
			t.Errorf("scenario %q", s.Name)
		}
	}
	for _, set := range []string{"short", "long"} {
		if all, err := Set(set); err != nil || len(all) == 0 {
			t.Errorf("set %s: %d scenarios, %v", set, len(all), err)
		}
	}
	if _, err := Set("endless"); err == nil {
		t.Error("there is a set of any name")
	}
	if _, err := Find([]string{"kill", "kil"}); err == nil || !strings.Contains(err.Error(), `"kil"`) {
		t.Errorf("a misspelled scenario: %v", err)
	}
}

func TestOptionsSayWhatIsWrong(t *testing.T) {
	for want, o := range map[string]Options{
		"--rate":           {Rate: 1},
		"--probe-every":    {ProbeEvery: time.Millisecond},
		"--warm-up":        {WarmUp: -time.Second},
		"--faults":         {Faults: -1},
		"--planted-binary": {Planted: "no-generation"},
		"--beside":         {Beside: []string{"prove"}},
	} {
		o.EnsureDefaults()
		if want == "--planted-binary" {
			o.Binaries.Product = "foldlog"
		}
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestKafkaOnlyScenariosRefuseTheEmbeddedBroker(t *testing.T) {
	found, err := Find([]string{"broker-kill"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), found[0], Options{Embedded: true, Out: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "Apache Kafka") {
		t.Errorf("got %v", err)
	}
}

func TestNothingReadsALogThatIsDeletedMeanwhile(t *testing.T) {
	found, err := Find([]string{"recreate"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), found[0], Options{Beside: []string{"verify"}, Out: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "--beside") {
		t.Errorf("got %v", err)
	}
}

func TestRunDirectoriesAreNeverReused(t *testing.T) {
	out := t.TempDir()
	seen := map[string]bool{}
	for range 3 {
		dir, err := newRunDir(out, "kill", 5)
		if err != nil || seen[dir] {
			t.Fatalf("%s, %v", dir, err)
		}
		seen[dir] = true
	}
}

func TestRestartsAreCountedOverAllLives(t *testing.T) {
	m := &sampler{seen: map[string]map[string]float64{}, sum: map[string]int{}}
	for _, counted := range []map[string]float64{
		{"fenced": 1}, {"fenced": 3}, {"fenced": 3, "fetch": 1},
		{"fenced": 1}, // it died, and the new process has counted one
		{"fenced": 1, "store": 2},
	} {
		m.restarts("processor-1", counted)
	}
	m.restarts("processor-2", map[string]float64{"fenced": 10})
	if got := m.counted(); got["fenced"] != 3+1+10 || got["fetch"] != 1 || got["store"] != 2 {
		t.Errorf("counted %v", got)
	}
}

func TestViolationsAreReadFromTheReport(t *testing.T) {
	for text, want := range map[string]int{"I2 ...\n\n2399 violations\n": 2399, "1 violation": 1, "something else": 1} {
		if got := violationsIn(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// The sequence of a run, on the embedded broker, with kills: every acknowledged probe must be in
// the state that an instance rebuilt from nothing shows, once.
func TestDevScenario(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the product and takes seconds")
	}
	found, err := Find([]string{"dev"})
	if err != nil {
		t.Fatal(err)
	}
	// What the checker would say is its own tests' concern. `true` finds nothing.
	summary, err := Run(t.Context(), found[0], Options{
		Seed: 1, Faults: 2, Rate: 60, Out: t.TempDir(), Checker: "true", Beside: []string{"verify"}, Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !summary.Good() || summary.Kills != 2 || summary.SettleSeconds < 0 || summary.Recoveries.Count != 2 || summary.Acknowledged == 0 {
		t.Errorf("the run came to %s", summary)
	}
	if verified := summary.Beside["verify"]; verified.Rounds < 2 || verified.Findings > 0 {
		t.Errorf("foldlog verify beside the load: %+v", verified)
	}
	want := probesOf(t, summary)
	for _, instance := range []string{"dev", "fresh"} {
		got := map[string]int64{}
		err := history.Read(summary.Dir, "states/"+instance+"/account.jsonl", func(row history.Row) error {
			var state struct{ State struct{ Balance int64 } }
			err := json.Unmarshal(row.Row, &state)
			got[row.Key] = state.State.Balance
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for id, deposited := range want {
			if got[id] != deposited {
				t.Errorf("%s: %s has %d, %d were acknowledged", instance, id, got[id], deposited)
			}
		}
	}
	for _, file := range []string{"run.json", "topics.json", "faults.jsonl", "samples.jsonl", "topics/account.events.committed.jsonl",
		"topics/account.events.uncommitted.jsonl", "views/fresh/balances.jsonl", "stores/dev/account-table.0.jsonl", "receipts/dev/account-table.0.jsonl"} {
		if info, err := os.Stat(filepath.Join(summary.Dir, file)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// probesOf returns how much was deposited into each probe's account: one for each command id that
// was answered.
func probesOf(t *testing.T, summary results.Summary) map[string]int64 {
	t.Helper()
	asked, deposited := map[int64]history.Op{}, map[string]map[string]bool{}
	err := history.Read(summary.Dir, "clients.jsonl", func(op history.Op) error {
		if op.Kind == history.Invoke {
			asked[op.Number] = op
			return nil
		}
		invoke := asked[op.Number]
		if !strings.Contains(invoke.ID, "probe-") || invoke.Command != "deposit" {
			return nil
		}
		if op.Kind != history.OK || op.Status != 200 {
			return nil
		}
		if deposited[invoke.ID] == nil {
			deposited[invoke.ID] = map[string]bool{}
		}
		deposited[invoke.ID][invoke.CommandID] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(deposited) != partitions {
		t.Fatalf("probes of %d partitions were answered", len(deposited))
	}
	sums := map[string]int64{}
	for id, commands := range deposited {
		sums[id] = int64(len(commands))
	}
	return sums
}

func TestDurationsInTheSummary(t *testing.T) {
	times := results.TimesOf([]time.Duration{3 * time.Second, time.Second, 2 * time.Second})
	if got := fmt.Sprint(*times); got != "{3 2 3}" {
		t.Errorf("got %s", got)
	}
}

func TestLogsAreReadForErrorsAndCrashes(t *testing.T) {
	counted := map[string]int{}
	crashes := readLog(strings.NewReader(`time=x level=ERROR msg="the local store is \"damaged\"" path=a
time=x level=ERROR msg="the local store is \"damaged\"" path=b
time=x level=INFO msg=ready error="panic: no"
time=x level=ERROR msg=broken
panic: assignment to entry in nil map
`), counted)
	if len(crashes) != 1 || counted[`the local store is \"damaged\"`] != 2 || counted["broken"] != 1 {
		t.Errorf("crashes %v, errors %v", crashes, counted)
	}
}
