package replay_test

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/internal/kafkatest"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// partitions is the partition count of every topic here.
const partitions = 2

// system is the bank on the package's one embedded cluster, under a prefix of its own.
type system struct {
	t        testing.TB
	topology *topology.Topology
	settings topology.Settings
	names    topology.Names
	cluster  cluster.Config
	codecs   *codecs.Codecs
	client   *kgo.Client
	admin    *kadm.Client
	dataDir  string
}

// onKafka runs the tests on Apache Kafka and Apicurio instead of the embedded broker and registry.
var onKafka = os.Getenv(kafkatest.EnvTest) == "1" || os.Getenv(kafkatest.EnvRequire) == "1"

// shared is what the tests of the package share.
var shared struct {
	once     sync.Once
	brokers  []string
	registry string
	codecs   *codecs.Codecs
	err      error
}

// share starts what the tests share. It ends with the process: to close an embedded cluster would
// save what is thrown away.
func share(t testing.TB, top *topology.Topology) {
	if onKafka {
		shared.brokers, shared.registry = kafkatest.Shared(t).Bootstrap(), kafkatest.SharedRegistry(t).URL()
	}
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if !onKafka {
			dev, err := devcluster.Start(ctx, devcluster.Config{Dir: testDir + "/cluster", KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0"})
			if err != nil {
				shared.err = err
				return
			}
			shared.brokers, shared.registry = dev.Brokers(), dev.RegistryURL()
		}
		// ids are of the whole registry, so that all prefixes can share the codecs of one
		shared.codecs, shared.err = codecsOf(ctx, top, bankschemas.Files)
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
}

func codecsOf(ctx context.Context, top *topology.Topology, files fs.FS) (*codecs.Codecs, error) {
	set, err := schemas.Load(files, top)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	return codecs.New(ctx, top, topology.Names{}, set, schemas.New(schemas.Config{URL: shared.registry}, log), log)
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "foldlog-replay-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	testDir = dir
	code := kafkatest.Main(m)
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

var testDir string

// testBank is the bank with two commands that it lacks: a deposit with the reference "split" is two
// events, one with "nothing" is none.
func testBank() *topology.Topology {
	t := bank.Topology()
	spec := t.Aggregate(bank.AccountAggregate)
	decide := spec.Decider.Decide
	spec.Decider.Decide = func(state any, c foldlog.Command[any]) ([]any, error) {
		events, err := decide(state, c)
		if d, ok := c.Data.(account.Deposit); ok && err == nil {
			switch d.Reference {
			case "split":
				return []any{events[0], events[0]}, nil
			case "nothing":
				return nil, nil
			}
		}
		return events, err
	}
	return t
}

func newSystem(t testing.TB, prefix string) *system {
	t.Helper()
	share(t, testBank())
	return newSystemOn(t, shared.brokers, shared.codecs, prefix)
}

func newSystemOn(t testing.TB, brokers []string, codec *codecs.Codecs, prefix string) *system {
	t.Helper()
	s := &system{t: t, topology: testBank(), codecs: codec, cluster: cluster.Config{Brokers: brokers}, dataDir: t.TempDir(),
		settings: topology.Settings{Prefix: prefix, Partitions: partitions, ReplicationFactor: 1, MinISR: 1}}
	s.settings.EnsureDefaults()
	s.names = s.settings.Names()
	opts, err := s.cluster.Franz()
	if err != nil {
		t.Fatal(err)
	}
	if s.client, err = kgo.NewClient(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	s.admin = kadm.NewClient(s.client)
	return s
}

// run starts processors and returns how to stop them gracefully.
func (s *system) run() (stop func()) {
	s.t.Helper()
	p, err := processors.New(processors.Config{
		Topology: s.topology, Settings: s.settings, Codecs: s.codecs, Cluster: s.cluster, DataDir: s.dataDir, Instance: "one",
		Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = p.Run(ctx); close(done) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	s.t.Cleanup(stop)
	return stop
}

// eventually polls until the condition returns nil.
func (s *system) eventually(what string, condition func() error) {
	s.t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = condition(); err == nil {
			return
		}
	}
	s.t.Fatalf("%s: not within %s: %v", what, patience, err)
}

// produce writes records; if a partition is negative, the key decides.
func (s *system) produce(records ...*kgo.Record) {
	s.t.Helper()
	for _, r := range records {
		if r.Partition < 0 {
			r.Partition = topology.PartitionOf(r.Key, partitions)
		}
	}
	if err := s.client.ProduceSync(s.t.Context(), records...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// command returns a command in JSON.
func (s *system) command(aggregate, id, commandID, kind, data string) *kgo.Record {
	return &kgo.Record{Topic: s.names.Commands(aggregate), Key: []byte(id), Partition: -1,
		Value: fmt.Appendf(nil, `{"command_id": %q, "type": %q, "data": %s}`, commandID, kind, data)}
}

// read returns a topic's committed records by partition.
func (s *system) read(topic string) [][]record.Record {
	s.t.Helper()
	ends, err := s.admin.ListEndOffsets(s.t.Context(), topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	starts, err := s.admin.ListStartOffsets(s.t.Context(), topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	log, err := kafkalog.Open(s.cluster)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	all := make([][]record.Record, partitions)
	for p := range all {
		start, _ := starts.Lookup(topic, int32(p))
		end, _ := ends.Lookup(topic, int32(p))
		err := log.Read(s.t.Context(), topic, int32(p), start.Offset, end.Offset, func(part kafkalog.Part) error {
			for _, r := range part.Records {
				all[p] = append(all[p], record.Of(r))
			}
			return nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return all
}

// inputs returns the input topic of each consumer group.
func (s *system) inputs() map[string]string {
	all := map[string]string{}
	for _, a := range s.topology.Aggregates {
		all[s.names.Group(a.Name)] = s.names.Commands(a.Name)
	}
	for _, p := range s.topology.Policies {
		all[s.names.Group(p.Name)] = s.names.Events(p.Source)
	}
	for _, p := range s.topology.Projections {
		all[s.names.Group(p.Name)] = s.names.Events(p.Source)
		if p.Rekeyed() {
			all[s.names.Group(p.Name)] = s.names.RekeyedTopic(p.Name)
			all[s.names.RekeyGroup(p.Name)] = s.names.Events(p.Source)
		}
	}
	return all
}

// settled waits until every group has handled the whole of its input, which stays so, since nobody
// writes.
func (s *system) settled() {
	s.t.Helper()
	s.eventually("everything is handled", func() error {
		for range 2 { // a group's work is another's input
			for group, topic := range s.inputs() {
				committed, err := s.admin.FetchOffsets(s.t.Context(), group)
				if err != nil {
					return err
				}
				for p, records := range s.read(topic) {
					at, _ := committed.Lookup(topic, int32(p))
					if n := len(records); n > 0 && at.At <= records[n-1].Offset {
						return fmt.Errorf("group %s has %d of %s/%d, which ends after %d", group, at.At, topic, p, records[n-1].Offset)
					}
				}
			}
		}
		return nil
	})
}

// sendBulky sends a command that is in the wrong partition and too large to be forwarded.
func (s *system) sendBulky(id string) {
	s.t.Helper()
	bulky := s.command("account", id, "bulky", "deposit", `{"amount": 3, "currency": "EUR", "reference": "r"}`)
	bulky.Partition = (topology.PartitionOf(bulky.Key, partitions) + 1) % partitions
	bulky.Headers = []kgo.RecordHeader{{Key: "x", Value: make([]byte, topology.MaxBatchBytes-900)}}
	s.produce(bulky)
}

// story sends commands of every kind and waits until they are handled, those that follow from them
// too.
func (s *system) story(name string) {
	s.t.Helper()
	id := func(n int) string { return fmt.Sprintf("%s-%d", name, n) }
	deposit := func(n int, commandID string, amount int, reference string) *kgo.Record {
		return s.command("account", id(n), commandID, "deposit", fmt.Sprintf(`{"amount": %d, "currency": "EUR", "reference": %q}`, amount, reference))
	}
	transfer := func(n, from, to, amount int) *kgo.Record {
		return s.command("transfer", fmt.Sprintf("%s-t%d", name, n), "request", "request",
			fmt.Sprintf(`{"from": %q, "to": %q, "amount": %d, "currency": "EUR", "reference": "r"}`, id(from), id(to), amount))
	}
	var records []*kgo.Record
	const accounts = 8
	for n := range accounts {
		records = append(records,
			s.command("account", id(n), "open", "open", fmt.Sprintf(`{"holder": "%s holder %d", "currency": "EUR", "overdraft_limit": 0}`, name, n/3)),
			deposit(n, "first", 1000*(n+1), "first"), deposit(n, "second", 50+n, "second"), deposit(n, "third", 7, "third"))
	}
	lost := deposit(1, "lost", 3, "in the wrong partition")
	lost.Partition = (topology.PartitionOf(lost.Key, partitions) + 1) % partitions
	s.produce(append(records,
		deposit(0, "first", 1000, "first"),  // a repeat
		deposit(0, "second", 999, "second"), // a command id that is used for something else
		deposit(2, "split", 10, "split"), deposit(2, "nothing", 10, "nothing"), deposit(3, "split", 20, "split"),
		s.command("account", id(1), "too-much", "withdraw", `{"amount": 999999999, "currency": "EUR", "reference": "x"}`),
		s.command("account", id(2), "cash", "withdraw", `{"amount": 100, "currency": "EUR", "reference": "cash"}`),
		s.command("account", id(7), "freeze", "freeze", `{"reason": "test"}`),
		&kgo.Record{Topic: s.names.Commands("account"), Key: []byte(id(4)), Partition: -1, Value: []byte("\x00not a command")},
		lost,
	)...)
	s.settled()
	// the payee is frozen: it comes back
	s.produce(transfer(0, 0, 1, 100), transfer(1, 1, 2, 5), transfer(2, 2, 0, 77), transfer(3, 3, 7, 50),
		// refused: no funds, no such account; the same account
		transfer(4, 4, 5, 1_000_000), transfer(5, 99, 1, 10), transfer(6, 5, 5, 1))
	s.settled()
	s.eventually("every transfer has ended", func() error {
		ended := 0
		for _, records := range s.read(s.names.Events("transfer")) {
			for _, r := range records {
				switch string(r.Header(codecs.HeaderCEType)) {
				case "TransferCompleted", "TransferRefused", "TransferReturned":
					if strings.HasPrefix(string(r.Key), name) {
						ended++
					}
				}
			}
		}
		if ended != 6 {
			return fmt.Errorf("%d of 6", ended)
		}
		return nil
	})
	s.settled()
}

// log is the content of a system's topics, without the prefix, in memory.
type log map[string][][]record.Record

// dump reads all topics and moves the records together, as if there had never been a transaction's
// marker: what names a place is changed accordingly.
func (s *system) dump() log {
	s.t.Helper()
	l := log{}
	for _, topic := range s.topology.Topics(s.settings) {
		l[strings.TrimPrefix(topic.Name, s.names.Prefix)] = s.read(topic.Name)
	}
	moved := map[string]map[int64]int64{} // topic/partition -> old offset -> new
	for topic, all := range l {
		for p, records := range all {
			now := map[int64]int64{}
			for i := range records {
				now[records[i].Offset] = int64(i)
				records[i].Offset, records[i].Topic = int64(i), topic
			}
			moved[fmt.Sprintf("%s/%d", topic, p)] = now
		}
	}
	for topic, all := range l {
		for _, records := range all {
			for i := range records {
				s.move(topic, &records[i], moved)
			}
		}
	}
	return l
}

// move changes the places that a record names.
func (s *system) move(topic string, r *record.Record, moved map[string]map[int64]int64) {
	r.Headers = slices.Clone(r.Headers)
	at := func(text []byte) []byte {
		position, err := foldlog.ParsePosition(string(text))
		if err != nil {
			s.t.Fatal(err)
		}
		position.Offset = moved[fmt.Sprintf("%s.commands/%d", position.Aggregate, position.Partition)][position.Offset]
		return []byte(position.String())
	}
	partition := string(r.Header(codecs.HeaderDeadLetterPartition)) + string(r.Header(codecs.HeaderOriginPartition))
	for i, h := range r.Headers {
		switch h.Key {
		case codecs.HeaderCause, codecs.HeaderProgress:
			r.Headers[i].Value = at(h.Value)
		case codecs.HeaderDeadLetterOffset, codecs.HeaderOriginOffset:
			source := topic
			if dead := r.Header(codecs.HeaderDeadLetterTopic); dead != nil {
				source = strings.TrimPrefix(string(dead), s.names.Prefix)
			}
			offset, _ := strconv.ParseInt(string(h.Value), 10, 64)
			r.Headers[i].Value = strconv.AppendInt(nil, moved[source+"/"+partition][offset], 10)
		}
	}
	if aggregate, is := strings.CutSuffix(topic, ".outcomes"); is {
		codec := s.codecs.Aggregate(aggregate)
		o, err := codec.DecodeOutcome(s.t.Context(), r.Value)
		if err == nil {
			o.Position.Offset = moved[fmt.Sprintf("%s.commands/%d", aggregate, o.Position.Partition)][o.Position.Offset]
			r.Value, err = codec.EncodeOutcome(o)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func (l log) clone() log {
	c := log{}
	for topic, all := range l {
		for _, records := range all {
			c[topic] = append(c[topic], slices.Clone(records))
		}
	}
	return c
}

// write makes topics under the system's prefix with the content of a log, and the offsets of groups
// that have handled all of it.
func (s *system) write(l log) {
	s.t.Helper()
	var topics []string
	for topic := range l {
		if owner, letters := strings.CutSuffix(topic, ".dead-letters"); letters && s.topology.Aggregate(owner) == nil {
			delete(l, topic) // nobody reads it here
			continue
		}
		topics = append(topics, s.names.Prefix+topic)
	}
	// commands keep the times that they have
	created, err := s.admin.CreateTopics(s.t.Context(), partitions, 1, nil, topics...)
	if err == nil {
		err = created.Error()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.fill(l)
	for group, topic := range s.inputs() {
		var offsets kadm.Offsets
		for p, list := range l[strings.TrimPrefix(topic, s.names.Prefix)] {
			offsets.AddOffset(topic, int32(p), int64(len(list)), -1)
		}
		if err := s.admin.CommitAllOffsets(s.t.Context(), group, offsets); err != nil {
			s.t.Fatal(err)
		}
	}
}

// fill writes the records of a log.
func (s *system) fill(l log) {
	s.t.Helper()
	var records []*kgo.Record
	for topic, all := range l {
		for p, list := range all {
			for _, r := range list {
				records = append(records, &kgo.Record{Topic: s.names.Prefix + topic, Partition: int32(p), Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp})
			}
		}
	}
	s.produce(records...)
}

// keys returns a map's keys in order.
func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
