package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// testLimit bounds what a test does with a cluster that runs.
const testLimit = 2 * time.Minute

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	t.Cleanup(cancel)
	return ctx
}

// testLogger logs to the test's output.
func testLogger(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

func newClient(t *testing.T, k *Kafka, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(k.Bootstrap()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(50 * time.Millisecond),
		// a frozen broker is given up soon
		kgo.RequestTimeoutOverhead(3 * time.Second), kgo.ProduceRequestTimeout(3 * time.Second),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// createTopic creates a topic with the cluster's own replication factor and waits until it can be
// used.
func createTopic(ctx context.Context, t *testing.T, k *Kafka, name string, partitions int32) {
	t.Helper()
	admin := kadm.NewClient(newClient(t, k))
	if _, err := admin.CreateTopic(ctx, partitions, -1, nil, name); err != nil {
		t.Fatal(err)
	}
	if err := k.AwaitInSync(ctx); err != nil {
		t.Fatal(err)
	}
	if err := poll(ctx, "wait for the topic", func(ctx context.Context) error {
		listed, err := admin.ListTopics(ctx, name)
		if err == nil && len(listed[name].Partitions) != int(partitions) {
			err = errors.New("not known yet")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// produce writes records with the values from up to below to and returns when all are acknowledged.
func produce(ctx context.Context, t *testing.T, client *kgo.Client, topic string, partition int32, from, to int) {
	t.Helper()
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(strconv.Itoa(i))})
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("produce to %s/%d: %v", topic, partition, err)
	}
}

// consume reads a partition from its start and fails unless it has exactly the values from 0 up to
// below count, in order.
func consume(ctx context.Context, t *testing.T, k *Kafka, topic string, partition int32, count int) {
	t.Helper()
	client := newClient(t, k, kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))
	next := 0
	for next < count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil && !kerr.IsRetriable(err) {
			t.Fatalf("%s/%d has %d of %d records: %v", topic, partition, next, count, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if string(r.Value) != strconv.Itoa(next) {
				t.Fatalf("%s/%d: record %d has value %s", topic, partition, next, r.Value)
			}
			next++
		})
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	if end, _ := ends.Lookup(topic, partition); end.Offset < int64(count) {
		t.Fatalf("%s/%d ends at %d, before its %d records", topic, partition, end.Offset, count)
	}
}

func logUsage(t *testing.T, k *Kafka) {
	t.Helper()
	for _, n := range k.Nodes() {
		usage, err := k.Usage(n.ID)
		if err != nil {
			t.Error(err)
			continue
		}
		t.Logf("broker %d: %s", n.ID, usageText(usage))
	}
}

func usageText(u Usage) string { return fmt.Sprintf("%d MiB, %s of CPU time", u.Memory>>20, u.CPU) }
