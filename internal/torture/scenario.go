package torture

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Scenario is a kind of run.
type Scenario struct {
	Name, Line string

	// brokers is 1 or 3 of Apache Kafka, or 0 for the embedded broker alone.
	brokers           int
	processors, edges int
	duration          time.Duration
	// faults bounds their number; 0 is as many as there is time for.
	faults  int
	proxied bool
	// planted says that the binary with crash points is needed.
	planted bool
	// prepare is called after the brokers have started and before any instance has.
	prepare func(context.Context, *run) error
	// inflict does the faults. It returns when they are over; what is still broken then is mended by the run.
	inflict func(context.Context, *run) error
}

// Scenarios are all there are.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "kill", Line: "processors are killed (kill -9) at random", brokers: 1, processors: 3, edges: 2, duration: time.Minute, inflict: killProcessors},
	}
}

// Find returns scenarios by name.
func Find(names []string) ([]Scenario, error) {
	var found []Scenario
	for _, name := range names {
		ok := false
		for _, s := range Scenarios() {
			if s.Name == name {
				found, ok = append(found, s), true
			}
		}
		if !ok {
			return nil, fmt.Errorf("there is no scenario %q; there are %s", name, strings.Join(Names(), ", "))
		}
	}
	return found, nil
}

// Names returns the names of all scenarios.
func Names() []string {
	var names []string
	for _, s := range Scenarios() {
		names = append(names, s.Name)
	}
	return names
}
