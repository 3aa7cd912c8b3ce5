package processors_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/kafkatest"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// onKafka runs the suite on Apache Kafka and Apicurio instead of the embedded broker and registry.
var onKafka = os.Getenv(kafkatest.EnvTest) == "1" || os.Getenv(kafkatest.EnvRequire) == "1"

// systems counts the systems of this process.
var systems atomic.Int64

func TestMain(m *testing.M) { os.Exit(kafkatest.Main(m)) }

// system is a broker, a registry and the codecs of a topology; processors run on it as a test asks
// for.
type system struct {
	t        *testing.T
	topology *topology.Topology
	settings topology.Settings
	names    topology.Names
	cluster  cluster.Config
	codecs   *codecs.Codecs
	schemas  *schemas.Set
	client   *kgo.Client
	dataDir  string
	logger   *slog.Logger
	dev      *devcluster.Cluster
	devDir   string
}

func startBank(t *testing.T) *system { return startSystem(t, bank.Topology(), bankschemas.Files) }

func startSystem(t *testing.T, top *topology.Topology, files fs.FS) *system {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	s := &system{
		t: t, topology: top, settings: topology.Settings{Partitions: 4, ReplicationFactor: 1, MinISR: 1}, dataDir: t.TempDir(), logger: logger,
	}
	var registryURL string
	if onKafka { // before the test's patience begins: the first test starts the cluster
		kafkatest.Shared(t)
		kafkatest.SharedRegistry(t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if onKafka {
		s.settings.Prefix = fmt.Sprintf("t%d.", systems.Add(1)) // tests share a cluster
		s.cluster.Brokers, registryURL = kafkatest.Shared(t).Bootstrap(), kafkatest.SharedRegistry(t).URL()
	} else {
		s.devDir = t.TempDir()
		var err error
		if s.dev, err = devcluster.Start(ctx, devcluster.Config{Dir: s.devDir, KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0", Logger: logger}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.dev.Close() })
		s.cluster.Brokers, registryURL = s.dev.Brokers(), s.dev.RegistryURL()
	}
	s.settings.EnsureDefaults()
	s.names = s.settings.Names()
	if _, err := cluster.EnsureTopics(ctx, s.cluster, top, s.settings); err != nil {
		t.Fatal(err)
	}
	set, err := schemas.Load(files, top)
	if err != nil {
		t.Fatal(err)
	}
	s.schemas = set
	if s.codecs, err = codecs.New(ctx, top, s.names, set, schemas.New(schemas.Config{URL: registryURL}, logger), logger); err != nil {
		t.Fatal(err)
	}
	opts, err := s.cluster.Franz()
	if err != nil {
		t.Fatal(err)
	}
	if s.client, err = kgo.NewClient(append(opts, kgo.RecordPartitioner(orManual{kgo.StickyKeyPartitioner(nil)}))...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	return s
}

// stopBroker stops broker and registry and returns how to start them again, on the same data and
// ports.
func (s *system) stopBroker() (start func()) {
	s.t.Helper()
	if s.dev == nil {
		s.t.Skip("the cluster is shared; the engine's own suite and the deployment's break one of theirs")
	}
	kafka, registry := s.dev.Brokers()[0], strings.TrimPrefix(s.dev.RegistryURL(), "http://")
	if err := s.dev.Close(); err != nil {
		s.t.Fatal(err)
	}
	return func() {
		var err error
		if s.dev, err = devcluster.Start(s.t.Context(), devcluster.Config{Dir: s.devDir, KafkaListen: kafka, RegistryListen: registry, Logger: s.logger}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// orManual puts a record with the header "test-partition" where it says, like a producer with
// another partitioner.
type orManual struct{ kgo.Partitioner }

func (p orManual) ForTopic(topic string) kgo.TopicPartitioner {
	return manualTopic{p.Partitioner.ForTopic(topic)}
}

type manualTopic struct{ kgo.TopicPartitioner }

func (p manualTopic) Partition(r *kgo.Record, n int) int {
	for _, h := range r.Headers {
		if h.Key == "test-partition" {
			return int(h.Value[0])
		}
	}
	return p.TopicPartitioner.Partition(r, n)
}

// run starts processors with a data directory of their own and returns how to stop them gracefully.
func (s *system) run(instance string) (stop func()) {
	s.t.Helper()
	p, err := processors.New(processors.Config{
		Topology: s.topology, Settings: s.settings, Codecs: s.codecs, Cluster: s.cluster, DataDir: s.dataDir + "/" + instance, Instance: instance,
		Logger: s.logger, Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				s.t.Errorf("processors of %s: %v", instance, err)
			}
		case <-time.After(patience):
			s.t.Errorf("processors of %s did not stop", instance)
		}
	})
	s.t.Cleanup(stop)
	s.eventually("processors of "+instance+" are ready", func() error { return p.Ready() })
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

// produce writes records in order and returns them with their partitions and offsets.
func (s *system) produce(records ...*kgo.Record) []*kgo.Record {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	results := s.client.ProduceSync(ctx, records...)
	if err := results.FirstErr(); err != nil {
		s.t.Fatal(err)
	}
	return records
}

// command returns a JSON command record.
func (s *system) command(aggregate, id, commandID, typ, data string) *kgo.Record {
	return &kgo.Record{Topic: s.names.Commands(aggregate), Key: []byte(id),
		Value: fmt.Appendf(nil, `{"command_id": %q, "type": %q, "data": %s}`, commandID, typ, data)}
}

// read returns all records of a topic up to its present end, by partition and offset.
func (s *system) read(topic string) []record.Record {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	ends, err := kadm.NewClient(s.client).ListEndOffsets(ctx, topic)
	if err != nil {
		s.t.Fatal(err)
	}
	opts, err := s.cluster.Franz()
	if err != nil {
		s.t.Fatal(err)
	}
	var all []record.Record
	for partition := range int32(s.settings.Partitions) {
		end, ok := ends.Lookup(topic, partition)
		if !ok {
			s.t.Fatalf("topic %s has no partition %d", topic, partition)
		}
		if end.Offset == 0 {
			continue
		}
		reader, err := kgo.NewClient(append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
			kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))...)
		if err != nil {
			s.t.Fatal(err)
		}
		for position := int64(0); position < end.Offset; {
			fetches := reader.PollFetches(ctx)
			skipped, failures := cluster.Skip(reader, fetches)
			for _, failure := range failures {
				s.t.Fatalf("read %s, partition %d: %v", topic, partition, failure.Err)
			}
			for _, r := range skipped {
				position = r.Offset + 1
			}
			fetches.EachRecord(func(r *kgo.Record) {
				position = r.Offset + 1
				if r.Attrs.IsControl() {
					return
				}
				all = append(all, record.Of(r))
			})
		}
		reader.Close()
	}
	return all
}

// handled waits until a group, named without the prefix, has committed the whole of its input. The
// input must not end in a transaction's marker, which is never handled.
func (s *system) handled(group, input string) {
	s.t.Helper()
	s.eventually("group "+group+" has handled its input", func() error {
		admin := kadm.NewClient(s.client)
		ends, err := admin.ListEndOffsets(s.t.Context(), input)
		if err != nil {
			return err
		}
		committed, err := admin.FetchOffsets(s.t.Context(), s.names.Group(group))
		if err != nil {
			return err
		}
		for partition := range int32(s.settings.Partitions) {
			end, _ := ends.Lookup(input, partition)
			if at, _ := committed.Lookup(input, partition); at.At < end.Offset && end.Offset > 0 {
				return fmt.Errorf("partition %d: %d of %d", partition, at.At, end.Offset)
			}
		}
		return nil
	})
}

// outcomes returns the outcomes of an aggregate type, repeats too, in the order of their
// partitions. What is no outcome is left out.
func (s *system) outcomes(aggregate string) []foldlog.Outcome {
	s.t.Helper()
	var all []foldlog.Outcome
	for _, r := range s.read(s.names.Outcomes(aggregate)) {
		o, err := s.codecs.Aggregate(aggregate).DecodeOutcome(s.t.Context(), r.Value)
		if undecodable := (*codecs.Undecodable)(nil); errors.As(err, &undecodable) {
			continue
		}
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}

// outcome waits for the first outcome of a command.
func (s *system) outcome(aggregate, id, commandID string) foldlog.Outcome {
	s.t.Helper()
	return s.answers(aggregate, id, commandID, 1)[0]
}

// answers waits until a command id of an aggregate has n answers.
func (s *system) answers(aggregate, id, commandID string, n int) []foldlog.Outcome {
	s.t.Helper()
	var found []foldlog.Outcome
	s.eventually(fmt.Sprintf("%d answers to %s", n, commandID), func() error {
		found = nil
		for _, o := range s.outcomes(aggregate) {
			if o.CommandID == commandID && o.AggregateID == id {
				found = append(found, o)
			}
		}
		if len(found) < n {
			return fmt.Errorf("%d so far", len(found))
		}
		return nil
	})
	if len(found) != n {
		s.t.Fatalf("command %s has %d answers, want %d: %+v", commandID, len(found), n, found)
	}
	return found
}

// events returns the events of an aggregate type in the order of their partitions, with their
// records.
func (s *system) events(aggregate string) ([]foldlog.Event[any], []record.Record) {
	s.t.Helper()
	records := s.read(s.names.Events(aggregate))
	events := make([]foldlog.Event[any], len(records))
	for i, r := range records {
		e, err := s.codecs.Aggregate(aggregate).DecodeEvent(s.t.Context(), r.Value)
		if err != nil {
			s.t.Fatal(err)
		}
		events[i] = e
	}
	return events, records
}

// deadLetters returns the dead letters of a group, named without the prefix.
func (s *system) deadLetters(group string) []record.Record {
	s.t.Helper()
	return s.read(s.names.DeadLetters(s.names.Group(group)))
}

// rows returns the last row of each key of a table, raw.
func (s *system) rows(name string) map[string][]byte {
	s.t.Helper()
	rows := map[string][]byte{}
	for _, r := range s.read(s.names.Table(name)) {
		if r.Header(codecs.HeaderProgress) == nil {
			rows[string(r.Key)] = r.Value
		}
	}
	return rows
}
