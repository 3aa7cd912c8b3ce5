package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// slowShare is the part of the commands that slow peers get.
const slowShare = 4

func main() {
	if text := os.Getenv(envChild); text != "" {
		if err := runChild(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := parseFlags(os.Args[1:])
	if err == nil {
		err = run(ctx, s)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) (err error) {
	all, err := measure(ctx, s)
	if err != nil {
		return err
	}
	if s.JSON != "-" {
		all.print(os.Stdout)
	}
	return all.save(s)
}

// measure starts a broker and takes all the measurements that were asked for.
func measure(ctx context.Context, s settings) (_ *results, err error) {
	m := &measurement{settings: s, results: newResults(s)}
	m.progress("building the Kafka Streams peer, if it takes part")
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(s.Parts, func(part string) bool { return part != partStalls }) {
		if m.site, err = openSite(ctx, s, s.Brokers); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, m.site.close()) }()
	}
	return m.results, m.all(ctx)
}

// prepare makes what the measurements need, but for the broker.
func (s settings) prepare(ctx context.Context) error {
	wanted := func(p peer) bool { return p.name == streams }
	if slices.ContainsFunc(s.takingPart(), wanted) || slices.Contains(s.Parts, partTune) {
		if err := buildStreams(ctx, s.Streams.Dir); err != nil {
			return err
		}
	}
	if s.Profile != "" {
		if err := os.MkdirAll(s.Profile, 0o755); err != nil {
			return fmt.Errorf("--profile: %w", err)
		}
	}
	return nil
}

// measurement is one run of this program.
type measurement struct {
	settings settings
	site     *site // nil if only stalls are measured
	results  *results
}

// all takes the measurements, part after part.
func (m *measurement) all(ctx context.Context) (err error) {
	s := m.settings
	m.results.Machine = machineNow()
	for _, part := range s.Parts {
		switch part {
		case partThroughput:
			err = m.throughput(ctx, s.FewKeys, s.takingPart())
		case partKeys:
			err = m.throughput(ctx, s.ManyKeys, s.takingPart("goka", ours, streams, "copy"))
		case partLatency:
			err = m.latency(ctx)
		case partRestore:
			err = m.restore(ctx)
		case partBank:
			err = m.bank(ctx)
		case partStalls:
			err = m.stalls(ctx)
		case partTune:
			err = m.tune(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	m.results.Took = time.Since(m.results.Began).Round(time.Second)
	m.results.LoadAfter = load()
	return nil
}

func (m *measurement) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.0fs  %s\n", time.Since(m.results.Began).Seconds(), fmt.Sprintf(format, args...))
}

func (m *measurement) throughput(ctx context.Context, keys int, who []peer) error {
	s := m.settings
	for run := range s.Runs {
		for _, p := range who {
			w := workload{Commands: s.Commands, Keys: keys, EventsPerCommand: s.Events}
			if p.slow {
				w.Commands /= slowShare
			}
			profile := ""
			if s.Profile != "" && p.name == ours && run == 0 {
				profile = filepath.Join(s.Profile, fmt.Sprintf("%s-%d-keys.pprof", p.name, keys))
			}
			f, err := m.site.measureThroughput(ctx, p, w, run == 0, profile)
			if err != nil {
				return err
			}
			m.results.Throughput = append(m.results.Throughput, f)
			m.progress("%d keys, run %d of %d: %-12s %8.0f commands/s, %.2f s app, %.2f s broker for 1 M", keys, run+1, s.Runs, p.name, f.PerSecond, f.AppCPU, f.BrokerCPU)
		}
	}
	return m.site.forgetCommands(ctx)
}

// latency measures it at each rate. The broker's code for small transactions is warm only after
// tens of thousands of them, and until then its compiler takes more of the machine than the peers
// do: so the first transactions are written without being measured.
func (m *measurement) latency(ctx context.Context) error {
	s := m.settings
	for _, p := range s.takingPart(ours, streams) {
		if p.bare || s.WarmBroker == 0 {
			continue
		}
		m.progress("%d/s: %-12s for %s, to warm the broker", s.Rates[0], p.name, s.WarmBroker)
		if _, err := m.site.measureLatency(ctx, p, workload{Commands: s.WarmUp, Keys: s.FewKeys, EventsPerCommand: s.Events}, s.Rates[:1], s.WarmBroker); err != nil {
			return err
		}
	}
	for run := range s.Runs {
		for _, p := range s.takingPart("goka", "goka-1ms", ours, streams) {
			if p.bare {
				continue // it has no notion of latency: it commits by the clock
			}
			all, err := m.site.measureLatency(ctx, p, workload{Commands: s.WarmUp, Keys: s.FewKeys, EventsPerCommand: s.Events}, s.Rates, s.Each)
			if err != nil {
				return err
			}
			for _, l := range all {
				m.progress("%d/s, run %d of %d: %-12s p50 %.1f ms, p99 %.1f ms", l.Rate, run+1, s.Runs, p.name, l.P50, l.P99)
			}
			m.results.Latency = append(m.results.Latency, all...)
		}
	}
	return nil
}

func (m *measurement) restore(ctx context.Context) error {
	s := m.settings
	for run := range s.Runs {
		for _, p := range s.takingPart(ours, streams) {
			if p.bare {
				continue
			}
			r, err := m.site.measureRestore(ctx, p, s.ManyKeys)
			if err != nil {
				return err
			}
			m.results.Restore = append(m.results.Restore, r)
			m.progress("restore, run %d of %d: %-12s running after %.2f s", run+1, s.Runs, p.name, r.Running)
		}
	}
	return nil
}

func (m *measurement) bank(ctx context.Context) error {
	s := m.settings
	profile := ""
	if s.Profile != "" {
		profile = filepath.Join(s.Profile, "bank.pprof")
	}
	f, err := m.site.measureBank(ctx, workload{Commands: s.Commands / slowShare, Keys: s.FewKeys, EventsPerCommand: 1}, profile)
	if err != nil {
		return err
	}
	m.results.Bank = append(m.results.Bank, f)
	m.progress("the bank's accounts: %8.0f commands/s, %.2f s app, %.2f s broker for 1 M", f.PerSecond, f.AppCPU, f.BrokerCPU)
	return nil
}
