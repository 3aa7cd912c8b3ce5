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
	faults int
	// apache says that it needs Apache Kafka.
	apache  bool
	proxied bool
	// remakes says that the topics are deleted meanwhile.
	remakes bool
	// properties are broker settings on top of the usual ones.
	properties map[string]string
	// crashes says that the binary with crash points is needed.
	crashes bool
	// prepare is called after the brokers have started and before any instance has.
	prepare func(context.Context, *run) error
	// inflict does the faults. It returns when they are over; what is still broken then is mended
	// by the run.
	inflict func(context.Context, *run) error
}

// Scenarios are all there are.
func Scenarios() []Scenario {
	all := []Scenario{
		{Name: "kill", Line: "processors are killed (kill -9) at random", inflict: killProcessors},
		{Name: "kill-all", Line: "processors and edges are killed at random, sometimes two at once", inflict: killAny},
		{Name: "crash", Line: "processors crash at each named point of the engine", crashes: true, duration: 4 * time.Minute, inflict: crashAtPoints},
		{Name: "term", Line: "instances are restarted one after the other with SIGTERM", inflict: rollInstances},
		{Name: "storm", Line: "processors join and leave faster than the group comes to rest", inflict: storm},
		{Name: "zombie", Line: "processors are paused past their session, also inside a transaction, and wake up", crashes: true, duration: 2 * time.Minute, inflict: zombies},
		{Name: "open-transaction", apache: true, Line: "transactions of dead owners and of strangers stay open on tables", duration: 90 * time.Second, inflict: openTransactions},
		{Name: "store", Line: "local stores are deleted, flipped, truncated while their process is down", inflict: damageStores},
		{Name: "compaction", apache: true, Line: "instances restore from nothing while tables are compacted", properties: busyCleaner(),
			prepare: compactEagerly(time.Minute), inflict: restoreUnderCompaction},
		{Name: "away", apache: true, Line: "instances are away for longer than deletions are kept", properties: busyCleaner(),
			prepare: compactEagerly(5 * time.Second), duration: 2 * time.Minute, inflict: stayAway},
		{Name: "recreate", apache: true, remakes: true, Line: "all topics are deleted and created anew below the old data directories", inflict: recreateTopics, duration: 30 * time.Second},
		{Name: "broker-restart", apache: true, Line: "the only broker is killed and comes back", inflict: restartBroker},
		{Name: "broker-kill", apache: true, Line: "brokers of three are killed by role: leader, coordinators, controller", brokers: 3, duration: 2 * time.Minute, inflict: killBrokers},
		{Name: "broker-freeze", apache: true, Line: "brokers of three are frozen by role", brokers: 3, duration: 2 * time.Minute, inflict: freezeBrokers},
		{Name: "broker-roll", apache: true, Line: "all three brokers are restarted in turn", brokers: 3, duration: 90 * time.Second, inflict: rollBrokers},
		{Name: "registry", apache: true, Line: "the schema registry is killed and comes back", inflict: killRegistry},
		{Name: "network", apache: true, Line: "connections to three brokers are cut, held, delayed, reset after the request", brokers: 3, proxied: true, duration: 90 * time.Second, inflict: breakNetwork},
		{Name: "disk-full", Line: "one processor's disk runs full (needs the right to mount a tmpfs)", prepare: mountSmallDisk, inflict: fillDisk},
	}
	for i := range all {
		s := &all[i]
		s.processors, s.edges = 3, 2
		if s.brokers == 0 {
			s.brokers = 1
		}
		if s.duration == 0 {
			s.duration = time.Minute
		}
	}
	return append(all, Scenario{Name: "dev", Line: "foldlog dev, alone, is killed over and over", faults: 20, duration: 10 * time.Minute, inflict: killDev})
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
