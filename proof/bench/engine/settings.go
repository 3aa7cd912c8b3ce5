package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Parts of the benchmark.
const (
	partThroughput = "throughput"
	partKeys       = "keys"
	partLatency    = "latency"
	partRestore    = "restore"
	partStalls     = "stalls"
	partBank       = "bank"
	partTune       = "tune"
)

// defaultParts are measured if no others are asked for; tuning Kafka Streams takes long and is
// done once for a machine.
var (
	defaultParts = []string{partThroughput, partKeys, partLatency, partRestore, partBank, partStalls}
	allParts     = append(slices.Clone(defaultParts), partTune)
)

// settings are the flags.
type settings struct {
	Parts      []string       `json:"parts"`
	Peers      []string       `json:"peers"`
	Runs       int            `json:"runs"`
	Commands   int            `json:"commands"`
	FewKeys    int            `json:"few_keys"`
	ManyKeys   int            `json:"many_keys"`
	Events     int            `json:"events_per_command"`
	Partitions int            `json:"partitions"`
	Brokers    int            `json:"brokers"`
	Rates      []int          `json:"rates"`
	Each       time.Duration  `json:"latency_duration_ns"`
	WarmBroker time.Duration  `json:"warm_broker_ns"`
	StallRate  int            `json:"stall_rate"`
	Faults     []string       `json:"faults"`
	Calm       time.Duration  `json:"calm_ns"`
	RollPause  time.Duration  `json:"roll_pause_ns"`
	WarmUp     int            `json:"latency_warm_up"`
	Streams    streamsOptions `json:"streams"`
	Quick      bool           `json:"quick"`

	Dir     string `json:"-"`
	Profile string `json:"-"`
	JSON    string `json:"-"`
	Record  string `json:"-"`
}

func parseFlags(args []string) (settings, error) {
	var s settings
	var parts, peerList, rates, faults string
	f := flag.NewFlagSet("engine", flag.ContinueOnError)
	f.StringVar(&parts, "parts", strings.Join(defaultParts, ","),
		"what to measure: throughput (few keys), keys (many keys), latency, restore, bank, stalls (three brokers, two processes, faults); tune tries settings of Kafka Streams")
	f.StringVar(&peerList, "peers", "", "who takes part, of "+strings.Join(peerNames(), ", ")+"; default everybody where it makes sense")
	f.IntVar(&s.Runs, "runs", 3, "how often each is measured but bank; the median counts")
	f.IntVar(&s.Commands, "commands", 4_000_000, "commands for throughput; slow peers get a quarter; the second half is measured")
	f.IntVar(&s.FewKeys, "few-keys", 1000, "accounts in the part throughput, and in latency and bank")
	f.IntVar(&s.ManyKeys, "many-keys", 1_000_000, "accounts in the parts keys and restore")
	f.IntVar(&s.Events, "events", 1, "events for each command")
	f.IntVar(&s.Partitions, "partitions", 4, "partitions of every topic")
	f.IntVar(&s.Brokers, "brokers", 1, "brokers in all parts but stalls, which has three")
	f.StringVar(&rates, "rates", "200,2000", "commands per second in the part latency")
	f.DurationVar(&s.Each, "each", 30*time.Second, "how long each rate is kept")
	f.DurationVar(&s.WarmBroker, "warm-broker", 90*time.Second, "how long each exactly-once peer runs at the first rate before any latency counts, for the broker's compiler")
	f.IntVar(&s.StallRate, "stall-rate", 50, "commands per second in the part stalls")
	f.StringVar(&faults, "faults", strings.Join(faultNames(), ","), "what happens in the part stalls")
	f.DurationVar(&s.Calm, "calm", 5*time.Second, "how long nothing happens after each of them")
	f.DurationVar(&s.RollPause, "roll-pause", 0, "how long a broker that is in sync again runs before the next is stopped, in a rolling restart")
	f.BoolVar(&s.Quick, "quick", false, "300,000 commands, 100,000 keys, one run, 5 s for each rate: to see that it works, not to measure")
	f.StringVar(&s.Streams.Dir, "streams-dir", "proof/bench/peers/kafka-streams", "the Kafka Streams peer's Maven project")
	f.IntVar(&s.Streams.Threads, "streams-threads", 1, "num.stream.threads; one was the best on two cores that the broker shares")
	f.IntVar(&s.Streams.CommitMS, "streams-commit-ms", 100, "commit.interval.ms for throughput")
	f.IntVar(&s.Streams.LatencyMS, "streams-latency-commit-ms", 5, "commit.interval.ms for latency")
	f.IntVar(&s.Streams.LingerMS, "streams-linger-ms", 20, "the producer's linger.ms for throughput; for latency it is 0")
	f.IntVar(&s.Streams.CacheMB, "streams-cache-mb", 256, "statestore.cache.max.bytes, in MiB; our engine's cache is 256 MiB, too")
	f.IntVar(&s.Streams.HeapMB, "streams-heap-mb", 2048, "Java's heap, in MiB")
	f.StringVar(&s.Streams.Compression, "streams-compression", "snappy", "the producer's compression.type; all others use snappy")
	f.StringVar(&s.Streams.GC, "streams-gc", "Parallel", "Java's collector: Parallel or G1")
	f.StringVar(&s.Dir, "dir", "", "where data go while it runs; default the system's directory for temporary files")
	f.StringVar(&s.Profile, "profile", "", "a directory for CPU profiles of our engine and of the bank")
	f.StringVar(&s.JSON, "json", "", "a file for the results as JSON, or - for the standard output")
	f.StringVar(&s.Record, "record", "", "a directory, such as proof/bench/history, to which the results are added as a JSON file of their own")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	s.WarmUp = warmUp
	if s.Quick {
		set := map[string]bool{}
		f.Visit(func(given *flag.Flag) { set[given.Name] = true })
		quickly(set, "commands", &s.Commands, 300_000)
		quickly(set, "many-keys", &s.ManyKeys, 100_000)
		quickly(set, "runs", &s.Runs, 1)
		quickly(set, "each", &s.Each, 5*time.Second)
		quickly(set, "warm-broker", &s.WarmBroker, 0)
		quickly(set, "calm", &s.Calm, time.Second)
		s.WarmUp = 50_000
	}
	s.Parts, s.Peers, s.Faults = split(parts), split(peerList), split(faults)
	for _, text := range split(rates) {
		rate, err := strconv.Atoi(text)
		if err != nil || rate < 1 {
			return s, fmt.Errorf("--rates: %q is no rate; use commands per second, such as 200,2000", text)
		}
		s.Rates = append(s.Rates, rate)
	}
	return s, s.validate()
}

func quickly[T any](set map[string]bool, name string, field *T, value T) {
	if !set[name] {
		*field = value
	}
}

func split(list string) []string {
	return slices.DeleteFunc(strings.Split(list, ","), func(s string) bool { return s == "" })
}

func (s settings) validate() error {
	var all []error
	for _, part := range s.Parts {
		if !slices.Contains(allParts, part) {
			all = append(all, fmt.Errorf("--parts: no part %q; there are %s", part, strings.Join(allParts, ", ")))
		}
	}
	for _, name := range s.Peers {
		if !slices.Contains(peerNames(), name) {
			all = append(all, fmt.Errorf("--peers: no peer %q; there are %s", name, strings.Join(peerNames(), ", ")))
		}
	}
	for _, name := range s.Faults {
		if !slices.Contains(faultNames(), name) {
			all = append(all, fmt.Errorf("--faults: no fault %q; there are %s", name, strings.Join(faultNames(), ", ")))
		}
	}
	if s.Runs < 1 || s.Commands < 1000 || s.FewKeys < 1 || s.ManyKeys < 1 || s.Events < 1 || s.Partitions < 1 || s.Brokers < 1 || s.StallRate < 1 || s.Each < time.Second {
		all = append(all, errors.New("use at least one run, 1000 commands, one key, one event, one partition, one broker, a stall rate of one, and a second for each rate"))
	}
	if s.Commands/slowShare <= s.FewKeys {
		all = append(all, fmt.Errorf("--commands %d: use more than %d for each of %d keys", s.Commands, slowShare, s.FewKeys))
	}
	return errors.Join(all...)
}

func peerNames() []string {
	var names []string
	for _, p := range peers() {
		names = append(names, p.name)
	}
	return names
}

// takingPart returns the peers that were asked for, or the given ones, or all.
func (s settings) takingPart(otherwise ...string) []peer {
	wanted := s.Peers
	if len(wanted) == 0 {
		wanted = otherwise
	}
	return slices.DeleteFunc(peers(), func(p peer) bool { return len(wanted) > 0 && !slices.Contains(wanted, p.name) })
}
