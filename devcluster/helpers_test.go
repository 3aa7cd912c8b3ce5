package devcluster

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const patience = 30 * time.Second

// started starts a cluster on free ports that ends with the test.
func started(t *testing.T, dir string) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), config(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, c) })
	return c
}

func config(t *testing.T, dir string) Config {
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	return Config{Dir: dir, KafkaListen: ":0", RegistryListen: ":0", Logger: log}
}

func closed(t *testing.T, c *Cluster) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func client(t *testing.T, brokers []string, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers...)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func admin(t *testing.T, brokers []string) *kadm.Client {
	t.Helper()
	return kadm.NewClient(client(t, brokers))
}

func createTopic(t *testing.T, brokers []string, topic string, partitions int32, config map[string]string) {
	t.Helper()
	values := make(map[string]*string)
	for k, v := range config {
		values[k] = &v
	}
	if _, err := admin(t, brokers).CreateTopic(soon(t), partitions, 1, values, topic); err != nil {
		t.Fatalf("create topic %s: %v", topic, err)
	}
}

// produceOnce produces with a client that is closed again, as a client whose broker is gone takes a
// second to close.
func produceOnce(t *testing.T, brokers []string, records ...*kgo.Record) {
	t.Helper()
	c := client(t, brokers, kgo.ProducerLinger(0))
	defer c.Close()
	produce(t, c, records...)
}

func produce(t *testing.T, c *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := c.ProduceSync(soon(t), records...).FirstErr(); err != nil {
		t.Fatalf("produce: %v", err)
	}
}

// read returns the first n records of a topic, as a franz-go consumer sees them.
func read(t *testing.T, brokers []string, topic string, n int, options ...kgo.Opt) []*kgo.Record {
	t.Helper()
	c := client(t, brokers, append(options, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	defer c.Close()
	ctx := soon(t)
	var records []*kgo.Record
	for len(records) < n {
		fetches := c.PollFetches(ctx)
		if err := errors.Join(fetches.Err0(), ctx.Err()); err != nil {
			t.Fatalf("read %s: %v; have %d of %d records", topic, err, len(records), n)
		}
		for _, e := range fetches.Errors() {
			t.Fatalf("read %s-%d: %v", e.Topic, e.Partition, e.Err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}
