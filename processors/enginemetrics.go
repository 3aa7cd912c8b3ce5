package processors

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foldlog/foldlog/processors/exactlyonce"
)

// engineMetrics are the metrics of the transactional engine, by group.
type engineMetrics struct {
	restarts     *prometheus.CounterVec   // group, cause
	transactions *prometheus.HistogramVec // group, phase: cut, run, apply
	inputs       *prometheus.HistogramVec // group
	records      *prometheus.CounterVec
	restored     *prometheus.CounterVec
	restores     *prometheus.HistogramVec
	fenced       *prometheus.CounterVec
	rebuilt      *prometheus.CounterVec
	rebalances   *prometheus.CounterVec
	retries      *prometheus.CounterVec
	foreign      *prometheus.CounterVec // group, topic

	stats                                      func() map[string]exactlyonce.Stats
	lag, waiting, oldest, unflushed, restoring *prometheus.Desc
}

func newEngineMetrics(r prometheus.Registerer, stats func() map[string]exactlyonce.Stats) (*engineMetrics, error) {
	name := func(short string) string { return prometheus.BuildFQName("foldlog", "group", short) }
	counter := func(short, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name(short), Help: help}, append([]string{"group"}, labels...))
	}
	histogram := func(short, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name(short), Help: help, Buckets: buckets}, append([]string{"group"}, labels...))
	}
	gauge := func(short, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name(short), help, append([]string{"group"}, labels...), nil)
	}
	seconds := prometheus.ExponentialBuckets(0.0001, 2, 18)
	m := &engineMetrics{
		restarts:     counter("restarts_total", "Attempts that stopped for a failure and were made again.", "cause"),
		transactions: histogram("transaction_seconds", "Time of a transaction: cut takes the batches, run is at the brokers, apply hands rows to the store.", seconds, "phase"),
		inputs:       histogram("transaction_inputs", "Inputs of a transaction.", prometheus.ExponentialBuckets(1, 4, 10)),
		records:      counter("records_total", "Records written in transactions."),
		restored:     counter("restored_records_total", "Records read to restore local stores."),
		restores:     histogram("restore_seconds", "Time to restore a partition.", prometheus.ExponentialBuckets(0.001, 4, 12)),
		fenced:       counter("fenced_transactions_total", "Open transactions of dead owners that were aborted."),
		rebuilt:      counter("stores_rebuilt_total", "Local stores that could not be trusted."),
		rebalances:   counter("rebalances_total", "Assignments of partitions."),
		retries:      counter("input_retries_total", "Tries of inputs that could not be handled for the time being."),
		foreign:      counter("foreign_records_total", "Records of the group's own topics that it cannot have written, and left out. Alert on any.", "topic"),
		stats:        stats,
		lag:          gauge("lag", "Offsets between what is handled and the end of the input.", "partition"),
		waiting:      gauge("waiting_seconds", "Time for which the next input has waited to be handled, whatever the reason; 0 if none does. Alert above 30.", "partition"),
		oldest:       gauge("open_transaction_seconds", "Age of the transaction that is being committed; 0 where none is."),
		unflushed:    gauge("unflushed_rows", "Committed rows that are not in the local store yet."),
		restoring:    gauge("restoring", "Offsets left to restore.", "partition"),
	}
	for _, c := range []prometheus.Collector{m.restarts, m.transactions, m.inputs, m.records, m.restored, m.restores, m.fenced, m.rebuilt, m.rebalances, m.retries, m.foreign, m} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// of returns the hooks of one group.
func (m *engineMetrics) of(group string) exactlyonce.Metrics {
	phase := func(name string) prometheus.Observer { return m.transactions.WithLabelValues(group, name) }
	cut, run, apply, inputs, records := phase("cut"), phase("run"), phase("apply"), m.inputs.WithLabelValues(group), m.records.WithLabelValues(group)
	return exactlyonce.Metrics{
		Transaction: func(s exactlyonce.TransactionStats) {
			cut.Observe(s.Cut.Seconds())
			run.Observe(s.Run.Seconds())
			apply.Observe(s.Apply.Seconds())
			inputs.Observe(float64(s.Inputs))
			records.Add(float64(s.Records))
		},
		Restored: func(s exactlyonce.RestoreStats) {
			m.restored.WithLabelValues(group).Add(float64(s.Records))
			m.restores.WithLabelValues(group).Observe(s.Took.Seconds())
			m.fenced.WithLabelValues(group).Add(float64(s.Fenced))
		},
		Rebalanced:   func(int) { m.rebalances.WithLabelValues(group).Inc() },
		StoreRebuilt: func(int32, string) { m.rebuilt.WithLabelValues(group).Inc() },
		Foreign:      func(topic string) { m.foreign.WithLabelValues(group, topic).Inc() },
		Retried:      func(int32, error) { m.retries.WithLabelValues(group).Inc() },
	}
}

// Describe is in [prometheus.Collector].
func (m *engineMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.lag, m.waiting, m.oldest, m.unflushed, m.restoring} {
		out <- d
	}
}

// Collect is in [prometheus.Collector].
func (m *engineMetrics) Collect(out chan<- prometheus.Metric) {
	for group, s := range m.stats() {
		gauge := func(d *prometheus.Desc, value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{group}, labels...)...)
		}
		gauge(m.oldest, s.OldestTransaction.Seconds())
		gauge(m.unflushed, float64(s.Unflushed))
		for partition, n := range s.Lag {
			gauge(m.lag, float64(n), strconv.Itoa(int(partition)))
			gauge(m.waiting, s.Waiting[partition].For.Seconds(), strconv.Itoa(int(partition)))
		}
		for partition, n := range s.Restoring {
			gauge(m.restoring, float64(n), strconv.Itoa(int(partition)))
		}
	}
}
