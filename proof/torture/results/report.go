package results

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// sums are those of a scenario's runs.
type sums struct {
	runs, good, kills, brokerFaults, violations int
	minutes                                     float64
	commands, unknown                           int64
	stalls                                      map[string]float64
	restarts                                    map[string]int
	settle                                      float64
}

func (s *sums) add(r Summary) {
	s.runs++
	if r.Good() {
		s.good++
	}
	s.kills += r.Kills
	s.brokerFaults += r.BrokerFaults
	s.violations += r.Violations
	s.minutes += r.LoadSeconds / 60
	s.commands += r.Acknowledged + r.Produced
	s.unknown += r.Unknown
	s.settle = max(s.settle, r.SettleSeconds)
	if s.stalls == nil {
		s.stalls, s.restarts = map[string]float64{}, map[string]int{}
	}
	for kind, seconds := range r.Stalls {
		s.stalls[kind] = max(s.stalls[kind], seconds)
	}
	for cause, n := range r.Restarts {
		s.restarts[cause] += n
	}
}

// Report returns a Markdown table of sums by scenario, of the runs without a planted bug, and one
// of those with.
func Report(runs []Summary) string {
	byScenario, planted, all := map[string]*sums{}, map[string]*sums{}, &sums{}
	for _, r := range runs {
		if r.Verdict == Skipped {
			continue
		}
		table, name := byScenario, r.Scenario+" ("+r.Broker+")"
		if r.Planted != "" {
			table, name = planted, r.Planted+" in "+r.Scenario
		} else {
			all.add(r)
		}
		if table[name] == nil {
			table[name] = &sums{}
		}
		table[name].add(r)
	}
	var text strings.Builder
	text.WriteString("| scenario | runs | passed | kills | broker faults | load, min | commands | unknown | violations | worst stalls, s | engine restarts | longest settling, s |\n")
	text.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(byScenario)) {
		text.WriteString(byScenario[name].row(name))
	}
	text.WriteString(all.row("**sum**"))
	if len(planted) == 0 {
		return text.String()
	}
	text.WriteString("\n| planted bug | runs | caught | violations |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(planted)) {
		s := planted[name]
		fmt.Fprintf(&text, "| %s | %d | %d | %d |\n", name, s.runs, s.runs-s.good, s.violations)
	}
	return text.String()
}

func (s *sums) row(name string) string {
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %.1f | %d | %d | %d | %s | %s | %.1f |\n", name, s.runs, s.good, s.kills, s.brokerFaults, s.minutes,
		s.commands, s.unknown, s.violations, list(s.stalls, "%s %.1f"), list(s.restarts, "%s %d"), s.settle)
}

func list[V any](m map[string]V, format string) string {
	if len(m) == 0 {
		return "-"
	}
	return strings.ReplaceAll(pairs(m, format), ",", ", ")
}
