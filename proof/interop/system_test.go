package interop

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/foldlog/foldlog/bank/bankapp"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/internal/kafkatest"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// partitions are as many as a real system has, so that a foreign partitioner is nearly always
// wrong.
const partitions = 12

func TestMain(m *testing.M) { os.Exit(kafkatest.Main(m)) }

// system is the running bank as the world sees it: a log, a registry, and HTTP.
type system struct {
	brokers  []string
	registry string
	http     *client.Client
	kafka    *kgo.Client
	schemas  *sr.Client
	decoders map[int]*avro.Schema
}

// startOnKafka runs the bank on Apache Kafka and Apicurio.
func startOnKafka(t *testing.T) *system {
	kafka, registry := kafkatest.Shared(t), kafkatest.SharedRegistry(t)
	ports, err := kafkatest.ReservePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ports.Close() })
	ctx, cancel := context.WithCancel(context.Background())
	exited := make(chan int, 1)
	args := []string{"run", "--create-topics", "--brokers", strings.Join(kafka.Bootstrap(), ","), "--registry", registry.URL(), "--http", ports.Addr(0),
		"--data-dir", t.TempDir(), "--partitions", strconv.Itoa(partitions), "--replication-factor", "1", "--log-level", "warn"}
	go func() { exited <- cli.Run(ctx, bankapp.App(), args, strings.NewReader(""), t.Output(), t.Output()) }()
	t.Cleanup(func() {
		cancel()
		if code := <-exited; code != cli.ExitOK {
			t.Errorf("run ended with %d", code)
		}
	})
	return connect(t, "http://"+ports.Addr(0), kafka.Bootstrap(), registry.URL())
}

// startEmbedded runs the bank as `make dev` does.
func startEmbedded(t *testing.T) *system {
	s := clitest.Start(t, bankapp.App(), t.TempDir(), "--partitions", strconv.Itoa(partitions))
	return connect(t, s.HTTP, s.Brokers, s.Registry)
}

// connect waits until the system is ready.
func connect(t *testing.T, url string, brokers []string, registry string) *system {
	t.Helper()
	s := &system{brokers: brokers, registry: registry, decoders: map[int]*avro.Schema{}}
	var err error
	if s.http, err = client.New(client.Config{URL: url}); err != nil {
		t.Fatal(err)
	}
	if s.schemas, err = sr.NewClient(sr.URLs(registry)); err != nil {
		t.Fatal(err)
	}
	if s.kafka, err = kgo.NewClient(kgo.SeedBrokers(brokers...)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kafka.Close)
	eventually(t, "the system is ready", func() error { return s.http.Ready(t.Context()) })
	return s
}

// eventually polls until the condition returns nil.
func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	ticks := time.NewTicker(50 * time.Millisecond)
	defer ticks.Stop()
	deadline := time.After(patience)
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-ticks.C:
		case <-deadline:
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
	}
}

// record is a record with its value decoded, by the schema that it was written with.
type record struct {
	*kgo.Record
	fields map[string]any
}

// read returns the committed records of a topic up to its present end, in the order of each
// partition.
func (s *system) read(t *testing.T, topic string) []record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ends, err := kadm.NewClient(s.kafka).ListCommittedOffsets(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		t.Fatal(err)
	}
	left, offsets := 0, map[int32]kgo.Offset{}
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			left++
			offsets[end.Partition] = kgo.NewOffset().AtStart()
		}
	})
	if left == 0 {
		return nil
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var all []record
	for left > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %s: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if end, _ := ends.Lookup(topic, r.Partition); r.Offset == end.Offset-1 {
				left--
			} else if r.Offset >= end.Offset {
				return
			}
			if !r.Attrs.IsControl() {
				all = append(all, record{Record: r, fields: s.decode(t, r.Value)})
			}
		})
	}
	return all
}

// decode reads a value in Confluent's wire format. It returns nil for one in JSON.
func (s *system) decode(t *testing.T, value []byte) map[string]any {
	t.Helper()
	if value[0] != 0 {
		return nil
	}
	id := int(binary.BigEndian.Uint32(value[1:]))
	schema := s.decoders[id]
	if schema == nil {
		registered, err := s.schemas.SchemaByID(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if schema, err = avro.Parse(registered.Schema); err != nil {
			t.Fatal(err)
		}
		s.decoders[id] = schema
	}
	var fields map[string]any
	if rest, err := schema.Decode(value[5:], &fields); err != nil || len(rest) > 0 {
		t.Fatalf("decode %x: %v, %d bytes are left", value, err, len(rest))
	}
	return fields
}
