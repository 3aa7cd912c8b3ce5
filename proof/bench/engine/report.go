package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// results are all that was measured.
type results struct {
	Began      time.Time     `json:"began"`
	Took       time.Duration `json:"took_ns"`
	Machine    machine       `json:"machine"`
	LoadAfter  string        `json:"load_after"`
	Settings   settings      `json:"settings"`
	Throughput []throughput  `json:"throughput,omitempty"`
	Latency    []latency     `json:"latency,omitempty"`
	Restore    []restore     `json:"restore,omitempty"`
	Stalls     []stall       `json:"stalls,omitempty"`
	Bank       []throughput  `json:"bank,omitempty"`
	Tuning     []tuning      `json:"tuning,omitempty"`
}

func newResults(s settings) *results {
	return &results{Began: time.Now().UTC().Truncate(time.Second), Settings: s}
}

// save writes the results to the files that were asked for.
func (r *results) save(s settings) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	var all error
	switch s.JSON {
	case "":
	case "-":
		_, all = os.Stdout.Write(text)
	default:
		all = os.WriteFile(s.JSON, text, 0o644)
	}
	if s.Record != "" {
		err := os.MkdirAll(s.Record, 0o755)
		if err == nil {
			err = os.WriteFile(filepath.Join(s.Record, "engine-"+r.Began.Format("20060102-150405")+".json"), text, 0o644)
		}
		all = errors.Join(all, err)
	}
	return all
}

// spread is a figure over several runs.
type spread struct{ median, least, most float64 }

func spreadOf[T any](all []T, figure func(T) float64) spread {
	if len(all) == 0 {
		return spread{} // not measured
	}
	values := make([]float64, len(all))
	for i, one := range all {
		values[i] = figure(one)
	}
	slices.Sort(values)
	n := len(values)
	return spread{median: (values[(n-1)/2] + values[n/2]) / 2, least: values[0], most: values[n-1]}
}

func (s spread) text(format string) string {
	if s.most == 0 {
		return "-" // not measured
	}
	if s.least == s.most {
		return fmt.Sprintf(format, s.median)
	}
	return fmt.Sprintf(format+" ("+format+"-"+format+")", s.median, s.least, s.most)
}

// ratio compares with Kafka Streams, or says "-" if one of both was not measured.
func ratio(figure, reference float64) string {
	if figure == 0 || reference == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2fx", figure/reference)
}

// print writes the results for people.
func (r *results) print(w io.Writer) {
	m, s := r.Machine, r.Settings
	fmt.Fprintf(w, "%s; %s, %d cores (%s), %d MiB; load %s before and %s after; took %s\n",
		r.Began.Format("2006-01-02 15:04 UTC"), m.System, m.Cores, m.CPU, m.MemoryMB, m.Load, r.LoadAfter, r.Took)
	for i, name := range slices.Sorted(maps.Keys(m.Versions)) {
		fmt.Fprintf(w, "%s%s %s", map[bool]string{true: "", false: ", "}[i == 0], name, m.Versions[name])
	}
	fmt.Fprintf(w, "\n%d broker(s), %d partitions, %d event(s), an outcome and a row for a command of about 30 bytes, text codecs; median (least-most) of %d run(s)\n",
		s.Brokers, s.Partitions, s.Events, s.Runs)
	fmt.Fprintf(w, "throughput is that of the second half of %d commands; slow peers (Goka) get a quarter of them\n", s.Commands)
	o := s.Streams
	fmt.Fprintf(w, "Kafka Streams: %d threads, commit every %d ms (latency: %d), linger %d ms (latency: 0), store cache %d MiB, heap %d MiB, %s GC, %s\n",
		o.Threads, o.CommitMS, o.LatencyMS, o.LingerMS, o.CacheMB, o.HeapMB, o.GC, o.Compression)
	if s.Quick {
		fmt.Fprintln(w, "QUICK: this shows that the benchmark works; its figures mean little")
	}
	for _, keys := range []int{s.FewKeys, s.ManyKeys} {
		r.printThroughput(w, keys)
	}
	r.printLatency(w)
	r.printRestore(w)
	r.printBank(w)
	r.printStalls(w)
	r.printTuning(w)
}

// about says what a peer is.
func about(name string) string {
	for _, p := range peers() {
		if p.name == name {
			return p.about
		}
	}
	return name
}

// table starts a table for people; its rows are tab-separated, and it is flushed by its user.
func table(w io.Writer, title string, columns ...string) *tabwriter.Writer {
	fmt.Fprintf(w, "\n%s\n", title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(columns, "\t"))
	return t
}

// byPeer groups measurements in the order of peers.
func byPeer[T any](all []T, nameOf func(T) string) (names []string, groups map[string][]T) {
	groups = map[string][]T{}
	for _, one := range all {
		name := nameOf(one)
		if groups[name] == nil {
			names = append(names, name)
		}
		groups[name] = append(groups[name], one)
	}
	return names, groups
}

func (r *results) throughputOf(keys int) (names []string, groups map[string][]throughput) {
	var all []throughput
	for _, f := range r.Throughput {
		if f.Keys == keys {
			all = append(all, f)
		}
	}
	return byPeer(all, func(f throughput) string { return f.Peer })
}

// remark marks figures that are not what the others are.
func remark(runs []throughput) string {
	if slices.ContainsFunc(runs, func(f throughput) bool { return f.Whole }) {
		return " [start included: too few commands]"
	}
	return ""
}

func perSecond(f throughput) float64 { return f.PerSecond }
func appCPU(f throughput) float64    { return f.AppCPU }
func brokerCPU(f throughput) float64 { return f.BrokerCPU }

func (r *results) printThroughput(w io.Writer, keys int) {
	names, groups := r.throughputOf(keys)
	if len(names) == 0 {
		return
	}
	reference := [2]float64{spreadOf(groups[streams], perSecond).median, spreadOf(groups[streams], appCPU).median}
	t := table(w, fmt.Sprintf("Throughput, %d keys (processor seconds for 1 M commands; against Kafka Streams)", keys),
		"", "commands/s", "against", "app CPU s", "against", "broker CPU s", "MiB", "table records")
	for _, name := range names {
		runs := groups[name]
		rate, cpu := spreadOf(runs, perSecond), spreadOf(runs, appCPU)
		fmt.Fprintf(t, "%s%s\t%s\t%s\t%s\t%s\t%s\t%.0f\t%.0f\n", about(name), remark(runs), rate.text("%.0f"), ratio(rate.median, reference[0]),
			cpu.text("%.2f"), ratio(cpu.median, reference[1]), spreadOf(runs, brokerCPU).text("%.2f"),
			spreadOf(runs, func(f throughput) float64 { return float64(f.MemoryMB) }).median,
			spreadOf(runs, func(f throughput) float64 { return float64(f.Written) }).median)
	}
	_ = t.Flush()
}

func (r *results) printLatency(w io.Writer) {
	for _, rate := range r.Settings.Rates {
		names, groups := byPeer(slices.DeleteFunc(slices.Clone(r.Latency), func(l latency) bool { return l.Rate != rate }), func(l latency) string { return l.Peer })
		if len(names) == 0 {
			continue
		}
		p50 := func(l latency) float64 { return l.P50 }
		p99 := func(l latency) float64 { return l.P99 }
		reference := [2]float64{spreadOf(groups[streams], p50).median, spreadOf(groups[streams], p99).median}
		t := table(w, fmt.Sprintf("Latency at %d/s over %s: from due to seen by a read_committed reader, ms (against Kafka Streams)", rate, r.Settings.Each),
			"", "p50", "against", "p99", "against", "p99.9", "max", "app CPU %", "broker CPU %")
		for _, name := range names {
			runs := groups[name]
			typical, rare := spreadOf(runs, p50), spreadOf(runs, p99)
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%.1f\t%.0f\t%.1f\t%.1f\n", about(name), typical.text("%.1f"), ratio(typical.median, reference[0]),
				rare.text("%.1f"), ratio(rare.median, reference[1]), spreadOf(runs, func(l latency) float64 { return l.P999 }).median,
				spreadOf(runs, func(l latency) float64 { return l.Max }).most, spreadOf(runs, func(l latency) float64 { return l.AppCPU }).median,
				spreadOf(runs, func(l latency) float64 { return l.BrokerCPU }).median)
		}
		_ = t.Flush()
	}
}

func (r *results) printRestore(w io.Writer) {
	names, groups := byPeer(r.Restore, func(x restore) string { return x.Peer })
	if len(names) == 0 {
		return
	}
	running := func(x restore) float64 { return x.Running }
	reading := func(x restore) float64 { return x.Reading }
	reference := [2]float64{spreadOf(groups[streams], running).median, spreadOf(groups[streams], reading).median}
	t := table(w, fmt.Sprintf("Restore of %d keys into an empty store, s (against Kafka Streams)", r.Settings.ManyKeys),
		"", "start to running", "against", "of it reading", "against", "app CPU s", "MiB")
	for _, name := range names {
		runs := groups[name]
		total, part := spreadOf(runs, running), spreadOf(runs, reading)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%.0f\n", about(name), total.text("%.2f"), ratio(total.median, reference[0]), part.text("%.2f"), ratio(part.median, reference[1]),
			spreadOf(runs, func(x restore) float64 { return x.AppCPU }).text("%.2f"), spreadOf(runs, func(x restore) float64 { return float64(x.MemoryMB) }).median)
	}
	_ = t.Flush()
}

func (r *results) printBank(w io.Writer) {
	if len(r.Bank) == 0 {
		return
	}
	_, groups := r.throughputOf(r.Settings.FewKeys)
	reference := spreadOf(groups[ours], appCPU).median
	t := table(w, fmt.Sprintf("The bank's accounts: Avro in and out, chain, index of command ids, outcome; %d commands, %d keys", r.Bank[0].Commands, r.Bank[0].Keys),
		"", "commands/s", "app CPU s for 1 M", "against our engine alone", "broker CPU s", "MiB")
	for _, f := range r.Bank {
		fmt.Fprintf(t, "the whole path%s\t%.0f\t%.2f\t%s\t%.2f\t%d\n", remark([]throughput{f}), f.PerSecond, f.AppCPU, ratio(f.AppCPU, reference), f.BrokerCPU, f.MemoryMB)
	}
	_ = t.Flush()
}
