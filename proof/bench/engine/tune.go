package main

import (
	"context"
	"fmt"
	"io"
)

// tuning is Kafka Streams with one setting changed.
type tuning struct {
	Setting string `json:"setting"`
	throughput
}

// variant is one change to Kafka Streams' settings.
type variant struct {
	setting string
	change  func(*streamsOptions)
}

// variants are the settings that are tried. The defaults of the flags are what came out best.
func variants() []variant {
	all := []variant{{"as set", func(*streamsOptions) {}}}
	each := func(name string, values []int, set func(*streamsOptions, int)) {
		for _, value := range values {
			all = append(all, variant{fmt.Sprintf("%s %d", name, value), func(o *streamsOptions) { set(o, value) }})
		}
	}
	each("threads", []int{1, 2, 4}, func(o *streamsOptions, n int) { o.Threads = n })
	each("commit ms", []int{50, 100, 200, 500}, func(o *streamsOptions, n int) { o.CommitMS = n })
	each("linger ms", []int{0, 5, 20, 100}, func(o *streamsOptions, n int) { o.LingerMS = n })
	each("cache MiB", []int{64, 256, 768}, func(o *streamsOptions, n int) { o.CacheMB = n })
	for _, text := range []string{"Parallel", "G1"} {
		all = append(all, variant{"collector " + text, func(o *streamsOptions) { o.GC = text }})
	}
	for _, text := range []string{"none", "lz4", "snappy"} {
		all = append(all, variant{"compression " + text, func(o *streamsOptions) { o.Compression = text }})
	}
	return all
}

// tune runs Kafka Streams with each of the variants, with few keys.
func (m *measurement) tune(ctx context.Context) error {
	s := m.settings
	them, err := peerNamed(streams)
	if err != nil {
		return err
	}
	defer func() { m.site.streams = s.Streams }()
	for run := range s.Runs {
		for _, v := range variants() {
			m.site.streams = s.Streams
			v.change(&m.site.streams)
			f, err := m.site.measureThroughput(ctx, them, workload{Commands: s.Commands, Keys: s.FewKeys, EventsPerCommand: s.Events}, false, "")
			if err != nil {
				return fmt.Errorf("%s: %w", v.setting, err)
			}
			m.results.Tuning = append(m.results.Tuning, tuning{v.setting, f})
			m.progress("tune, run %d of %d: %-18s %8.0f commands/s, %.2f s app, %.2f s broker for 1 M", run+1, s.Runs, v.setting, f.PerSecond, f.AppCPU, f.BrokerCPU)
		}
	}
	return nil
}

func (r *results) printTuning(w io.Writer) {
	names, groups := byPeer(r.Tuning, func(t tuning) string { return t.Setting })
	if len(names) == 0 {
		return
	}
	t := table(w, fmt.Sprintf("Kafka Streams with one setting changed, %d keys", r.Settings.FewKeys), "", "commands/s", "app CPU s for 1 M", "broker CPU s")
	for _, name := range names {
		figure := func(of func(throughput) float64) spread {
			return spreadOf(groups[name], func(t tuning) float64 { return of(t.throughput) })
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", name, figure(perSecond).text("%.0f"), figure(appCPU).text("%.2f"), figure(brokerCPU).text("%.2f"))
	}
	_ = t.Flush()
}
