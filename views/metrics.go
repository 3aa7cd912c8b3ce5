package views

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the metrics of all replicas; doc.go explains them.
type metrics struct {
	records   *prometheus.CounterVec
	lag       *prometheus.GaugeVec
	recovered *prometheus.GaugeVec
	remaining *prometheus.GaugeVec
	restarts  *prometheus.CounterVec
	rebuilds  *prometheus.CounterVec
	waiters   *prometheus.GaugeVec
	purged    *prometheus.CounterVec

	registered []prometheus.Collector
}

// replicaMetrics are the metrics of one topic. Those with further labels are curried when they are
// used.
type replicaMetrics struct {
	*metrics
	recovered prometheus.Gauge
	remaining prometheus.Gauge
	restarts  prometheus.Counter
	waiters   prometheus.Gauge
	purged    prometheus.Counter
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		opts := prometheus.CounterOpts{Namespace: "foldlog", Subsystem: "view", Name: name, Help: help}
		return prometheus.NewCounterVec(opts, append([]string{"topic"}, labels...))
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		opts := prometheus.GaugeOpts{Namespace: "foldlog", Subsystem: "view", Name: name, Help: help}
		return prometheus.NewGaugeVec(opts, append([]string{"topic"}, labels...))
	}
	return &metrics{
		records:   counter("records_total", "Records applied to the view's store, by kind.", "kind"),
		lag:       gauge("lag_records", "Committed records in the log that the view's store does not have yet.", "partition"),
		recovered: gauge("recovered", "1 when the view answers reads."),
		remaining: gauge("recovery_remaining_records", "Records that the running restore still has to read."),
		restarts:  counter("restarts_total", "How often the view had to connect to its topic again."),
		rebuilds:  counter("rebuilds_total", "Stores that were thrown away and rebuilt from Kafka, by reason.", "reason"),
		waiters:   gauge("outcome_waiters", "Open expectations of an outcome."),
		purged:    counter("outcomes_purged_total", "Outcomes removed from the index because they are beyond the horizon."),
	}
}

func (m *metrics) of(topic string) *replicaMetrics {
	return &replicaMetrics{
		metrics:   m,
		recovered: m.recovered.WithLabelValues(topic),
		remaining: m.remaining.WithLabelValues(topic),
		restarts:  m.restarts.WithLabelValues(topic),
		waiters:   m.waiters.WithLabelValues(topic),
		purged:    m.purged.WithLabelValues(topic),
	}
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.records, m.lag, m.recovered, m.remaining, m.restarts, m.rebuilds, m.waiters, m.purged}
}

// register registers all metrics or none.
func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	for _, c := range m.collectors() {
		if err := r.Register(c); err != nil {
			m.unregister(r)
			if errors.As(err, &prometheus.AlreadyRegisteredError{}) {
				return fmt.Errorf("register the metrics of views: another set of views uses this registerer: %w", err)
			}
			return fmt.Errorf("register the metrics of views: %w", err)
		}
		m.registered = append(m.registered, c)
	}
	return nil
}

// unregister removes the collectors that register added. A registerer knows collectors by their
// descriptions, so it would also remove those of another set.
func (m *metrics) unregister(r prometheus.Registerer) {
	for _, c := range m.registered {
		r.Unregister(c)
	}
	m.registered = nil
}
