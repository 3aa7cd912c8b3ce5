package kafkatest

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestOneBrokerKeepsItsDataOverAKill(t *testing.T) {
	k := Start(t, KafkaConfig{Logger: testLogger(t)})
	ctx := limited(t)
	createTopic(ctx, t, k, "numbers", 2)
	client := newClient(t, k)
	produce(ctx, t, client, "numbers", 1, 0, 1000)
	logUsage(t, k)

	if err := k.Kill(1); err != nil {
		t.Fatal(err)
	}
	if err := k.Kill(1); err == nil {
		t.Error("killed a broker that is gone")
	}
	if _, err := k.Leader(ctx, "numbers", 1); err == nil {
		t.Error("found a leader without a broker")
	}
	begin := time.Now()
	if err := k.Boot(1); err != nil {
		t.Fatal(err)
	}
	if err := k.AwaitInSync(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("ready again %s after the boot", time.Since(begin).Round(time.Millisecond))
	produce(ctx, t, client, "numbers", 1, 1000, 2000) // the same client: same port
	consume(ctx, t, k, "numbers", 1, 2000)
	consume(ctx, t, k, "numbers", 0, 0)
}

func TestOneBrokerIsConfiguredAsARealOne(t *testing.T) {
	k := Shared(t)
	ctx := limited(t)
	client := newClient(t, k)
	produced := client.ProduceSync(ctx, &kgo.Record{Topic: "misspelled", Value: []byte("x")})
	if err := produced.FirstErr(); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("produce to a topic that nobody created: %v", err)
	}
	if id, err := k.Leader(ctx, "__consumer_offsets", 0); err != nil || id != 1 {
		t.Errorf("leader %d, %v", id, err)
	}
	for _, id := range []int{0, 2} {
		if err := k.Kill(id); err == nil {
			t.Errorf("killed broker %d of 1", id)
		}
	}
	deadline, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if _, err := k.Leader(deadline, "misspelled", 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("leader of a topic that does not exist: %v", err)
	}
}

func TestTransactionsCommitAndAbort(t *testing.T) {
	k := Shared(t)
	ctx := limited(t)
	createTopic(ctx, t, k, "transactional", 1)
	client := newClient(t, k, kgo.TransactionalID("transactions-1"))
	for first, end := range map[int]kgo.TransactionEndTry{0: kgo.TryCommit, 1000: kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(ctx, t, client, "transactional", 0, first, first+10)
		if err := client.EndTransaction(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
	consume(ctx, t, k, "transactional", 0, 10)
}

func TestCloseRemovesTheDataOfAFrozenBroker(t *testing.T) {
	k := Start(t, KafkaConfig{Logger: testLogger(t)})
	if err := k.Freeze(1); err != nil {
		t.Fatal(err)
	}
	if err := k.AwaitInSync(limited(t)); err == nil {
		t.Error("in sync with a frozen broker")
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(k.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
	if err := k.Died(); err != nil {
		t.Errorf("a closed cluster is said to have died: %v", err)
	}
}

func TestBrokerThatCannotStartSaysWhy(t *testing.T) {
	Need(t)
	_, err := StartKafka(limited(t), KafkaConfig{Properties: map[string]string{"log.cleaner.threads": "none"}})
	if err == nil {
		t.Fatal("started with a property that is no number")
	}
	t.Log(err)
}

// A single topic without a setting of its own must get the cluster's, which is what protects a
// write from the loss of a replica.
func wantMinISR(ctx context.Context, t *testing.T, k *Kafka, topic, want string) {
	t.Helper()
	configs, err := kadm.NewClient(newClient(t, k)).DescribeTopicConfigs(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "min.insync.replicas" && c.MaybeValue() == want {
			return
		}
	}
	t.Errorf("%s: min.insync.replicas is not %s: %v", topic, want, configs[0].Configs)
}
