package processors

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/foldlog/foldlog"
)

// metrics count what handlers decide. A step that is run again after a failure is counted again.
type metrics struct {
	commands         *prometheus.CounterVec // aggregate, result: accepted or the rejection's code
	events           *prometheus.CounterVec // aggregate, type
	repeats          *prometheus.CounterVec // aggregate
	forwarded        *prometheus.CounterVec // aggregate
	policyRejections *prometheus.CounterVec // aggregate, code
	deadLetters      *prometheus.CounterVec // group
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "foldlog", Name: name, Help: help}, labels)
	}
	m := &metrics{
		commands:         counter("commands_total", "Commands by result: accepted, or the code of the rejection.", "aggregate", "result"),
		events:           counter("events_total", "Events written.", "aggregate", "type"),
		repeats:          counter("command_repeats_total", "Commands whose id had an outcome already.", "aggregate"),
		forwarded:        counter("commands_forwarded_total", "Commands that a producer put into the wrong partition.", "aggregate"),
		policyRejections: counter("policy_rejections_total", "Commands of policies that were rejected. Each is a dead letter, too: alert on it.", "aggregate", "code"),
		deadLetters:      counter("dead_letters_total", "Input that was set aside.", "group"),
	}
	for _, c := range []prometheus.Collector{m.commands, m.events, m.repeats, m.forwarded, m.policyRejections, m.deadLetters} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) outcome(aggregate string, o foldlog.Outcome) {
	result := "accepted"
	if !o.Accepted {
		result = o.Code
	}
	m.commands.WithLabelValues(aggregate, result).Inc()
}
