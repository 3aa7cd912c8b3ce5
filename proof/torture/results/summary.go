package results

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// Verdicts of a run.
const (
	Passed     = "passed"     // checked, nothing found
	Violated   = "violated"   // the checker found violations
	Unchecked  = "unchecked"  // there was no checker, or it could not run
	Incomplete = "incomplete" // the run itself could not be carried through; see Problems
	Skipped    = "skipped"    // this machine cannot do it; Why says why
)

// Summary is what a run came to.
//
// NB: names in JSON must not change. Results files keep them.
type Summary struct {
	Scenario string `json:"scenario"`
	Seed     uint64 `json:"seed"`
	Broker   string `json:"broker"`
	Planted  string `json:"planted,omitempty"`
	Dir      string `json:"dir,omitempty"`
	Began    string `json:"began"`
	// Rate is what the clients should do in a second, and ProbeEvery the pace of each partition's
	// probes, in seconds; zero in old files.
	Rate       int     `json:"rate,omitempty"`
	ProbeEvery float64 `json:"probe_every_seconds,omitempty"`
	// WarmUp is how long there was load before the first fault, in seconds.
	WarmUp float64 `json:"warm_up_seconds,omitempty"`

	LoadSeconds float64 `json:"load_seconds"`
	// Commands over HTTP: Acknowledged were answered, accepted or rejected; Unknown never; Refused
	// certainly did not happen. Produced were acknowledged by the brokers.
	Acknowledged int64 `json:"acknowledged"`
	Unknown      int64 `json:"unknown"`
	Refused      int64 `json:"refused"`
	Produced     int64 `json:"produced"`
	Reads        int64 `json:"reads"`
	Tries        int64 `json:"tries"`

	// Kills are kill -9 and crashes of instances, BrokerFaults whatever was done to brokers, Faults
	// all faults by kind.
	Kills        int            `json:"kills"`
	BrokerFaults int            `json:"broker_faults"`
	Faults       map[string]int `json:"faults"`
	// Stalls are the longest times without an answer, in seconds, by kind of fault; Recoveries the
	// times from an instance's boot until it was ready.
	Stalls     map[string]float64 `json:"stalls"`
	Recoveries *Times             `json:"recoveries,omitempty"`
	// Restarts are the engine's by cause.
	Restarts map[string]int `json:"restarts"`
	// LogErrors are the errors in the instances' logs by message.
	LogErrors map[string]int `json:"log_errors,omitempty"`
	// Beside are the commands that ran over and over beside the load, by name.
	Beside map[string]Beside `json:"beside,omitempty"`
	// SettleSeconds is the time from the last mended fault until all was ready and handled; -1 if
	// that was not reached.
	SettleSeconds float64 `json:"settle_seconds"`

	Verdict string `json:"verdict"`
	// Why is the reason of a run that was skipped.
	Why        string   `json:"why,omitempty"`
	Violations int      `json:"violations"`
	Problems   []string `json:"problems,omitempty"`
	// Checker is the end of what the checker printed.
	Checker string `json:"checker,omitempty"`
}

// Beside is how often a command ran beside the load: Interrupted says how often what was broken
// just then was in its way, Findings how often it found something.
type Beside struct {
	Rounds      int `json:"rounds"`
	Interrupted int `json:"interrupted"`
	Findings    int `json:"findings"`
}

// Times sums up durations, in seconds.
type Times struct {
	Count  int     `json:"count"`
	Median float64 `json:"median"`
	Worst  float64 `json:"worst"`
}

// TimesOf sums up.
func TimesOf(all []time.Duration) *Times {
	if len(all) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(all))
	return &Times{Count: len(all), Median: sorted[len(all)/2].Seconds(), Worst: sorted[len(all)-1].Seconds()}
}

// Good reports whether nothing was found and the run was carried through, or could not be done here
// at all.
func (s Summary) Good() bool {
	return s.Verdict == Passed && len(s.Problems) == 0 || s.Verdict == Skipped
}

// String is the summary in one line.
func (s Summary) String() string {
	if s.Verdict == Skipped {
		return fmt.Sprintf("%s seed=%d SKIPPED: %s", s.Scenario, s.Seed, s.Why)
	}
	settled := "never"
	if s.SettleSeconds >= 0 {
		settled = fmt.Sprintf("%.1fs", s.SettleSeconds)
	}
	text := fmt.Sprintf("%s seed=%d %s acknowledged=%d unknown=%d refused=%d produced=%d kills=%d broker-faults=%d stalls=%s restarts=%s settled=%s verdict=%s",
		s.Scenario, s.Seed, s.Broker, s.Acknowledged, s.Unknown, s.Refused, s.Produced, s.Kills, s.BrokerFaults,
		pairs(s.Stalls, "%s:%.1fs"), pairs(s.Restarts, "%s:%d"), settled, s.Verdict)
	if s.Recoveries != nil {
		text += fmt.Sprintf(" ready-again=%d,median:%.1fs,worst:%.1fs", s.Recoveries.Count, s.Recoveries.Median, s.Recoveries.Worst)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Beside)) {
		b := s.Beside[name]
		text += fmt.Sprintf(" %s=%d,interrupted:%d,findings:%d", name, b.Rounds, b.Interrupted, b.Findings)
	}
	if len(s.LogErrors) > 0 {
		text += " log-errors=" + pairs(s.LogErrors, "%q:%d")
	}
	if s.Violations > 0 {
		text += fmt.Sprintf(" violations=%d", s.Violations)
	}
	for _, problem := range s.Problems {
		text += fmt.Sprintf("\n  problem: %s", problem)
	}
	return text
}

func pairs[V any](m map[string]V, format string) string {
	if len(m) == 0 {
		return "none"
	}
	var all []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		all = append(all, fmt.Sprintf(format, key, m[key]))
	}
	return strings.Join(all, ",")
}

// Append adds a run's line to a results file.
func Append(file string, s Summary) error {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	line, err := json.Marshal(s)
	if err == nil {
		_, err = out.Write(append(line, '\n'))
	}
	return errors.Join(err, out.Close())
}

// Load reads a results file.
func Load(in io.Reader) ([]Summary, error) {
	var all []Summary
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var s Summary
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		all = append(all, s)
	}
	return all, lines.Err()
}
