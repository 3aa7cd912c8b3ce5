package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/foldlog/foldlog/proof/torture/results"
)

// checkLimit bounds the checker's work on one run.
const checkLimit = 10 * time.Minute

// summary sums the run up, without a verdict.
func (r *run) summary() results.Summary {
	var logErrors map[string]int
	if r.system != nil {
		logErrors = r.readLogs()
	}
	s := results.Summary{LogErrors: logErrors, Scenario: r.scenario.Name, Seed: r.options.Seed, Broker: r.broker(), Planted: r.options.Planted, Dir: r.dir,
		Began: r.began.UTC().Format(time.RFC3339), Rate: r.options.Rate, ProbeEvery: r.options.ProbeEvery.Seconds(), WarmUp: r.options.WarmUp.Seconds(), Kills: r.kills, BrokerFaults: r.brokerHits, Faults: map[string]int{}, Stalls: map[string]float64{},
		Recoveries: results.TimesOf(r.recoveries), SettleSeconds: -1, Problems: r.problems, Beside: r.stopBeside()}
	for _, fault := range r.faults {
		s.Faults[fault.Kind]++
	}
	if r.recorder != nil {
		n := r.recorder.Counts()
		s.Acknowledged, s.Unknown, s.Refused, s.Produced, s.Reads, s.Tries = n.Accepted+n.Rejected, n.Unknown, n.Failed, n.Produced, n.Reads, n.Tries
	}
	if r.sampler != nil {
		s.Restarts = r.sampler.counted()
	}
	s.LoadSeconds = r.loadTime.Seconds()
	for kind, stall := range r.stalls {
		s.Stalls[kind] = stall.Seconds()
	}
	if r.about.Settled > 0 {
		s.SettleSeconds = time.Duration(r.about.Settled - r.about.Healed).Seconds()
	}
	return s
}

// check hands the run to the checker and enters the verdict.
func (r *run) check(ctx context.Context, s *results.Summary, complete bool) {
	if !complete {
		s.Verdict = results.Incomplete
		return
	}
	checker, err := findChecker(r.options.Checker)
	if err != nil {
		s.Verdict, s.Problems = results.Unchecked, append(s.Problems, err.Error())
		return
	}
	limited, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	printed, err := exec.CommandContext(limited, checker, r.dir).CombinedOutput()
	if writeErr := os.WriteFile(filepath.Join(r.dir, "checker.log"), printed, 0o644); writeErr != nil {
		s.Problems = append(s.Problems, writeErr.Error())
	}
	s.Checker = tail(string(printed), 4<<10)
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		s.Verdict = results.Passed
	case exited && exit.ExitCode() == 1:
		s.Verdict, s.Violations = results.Violated, violationsIn(string(printed))
	default:
		s.Verdict, s.Problems = results.Unchecked, append(s.Problems, fmt.Sprintf("the checker %s: %s\n%s", checker, err, s.Checker))
	}
}

// findChecker returns the checker that was asked for, or the one beside this program, or the one on
// the path.
func findChecker(asked string) (string, error) {
	if asked != "" {
		return exec.LookPath(asked)
	}
	const name = "foldlog-check"
	if self, err := os.Executable(); err == nil {
		if beside, err := exec.LookPath(filepath.Join(filepath.Dir(self), name)); err == nil {
			return beside, nil
		}
	}
	found, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("nobody judged the run: there is no %s beside this program or on the path; give --checker", name)
	}
	return found, nil
}

// counted is how the checker says how many violations there are.
var counted = regexp.MustCompile(`(?m)(\d+) violations?\b`)

// violationsIn returns how many violations the checker speaks of, at least one.
func violationsIn(printed string) int {
	most := 1
	for _, match := range counted.FindAllStringSubmatch(printed, -1) {
		if n, err := strconv.Atoi(match[1]); err == nil {
			most = max(most, n)
		}
	}
	return most
}

func tail(text string, most int) string {
	text = strings.TrimSpace(text)
	if len(text) > most {
		text = "..." + text[len(text)-most:]
	}
	return text
}
