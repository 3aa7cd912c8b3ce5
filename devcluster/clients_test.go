package devcluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// TestConsumeTransformProduce is what everything here runs on: a sarama consumer group reads, a
// franz-go producer writes in transactions that carry the group's offsets with its generation, and
// a second member takes over in the middle.
func TestConsumeTransformProduce(t *testing.T) {
	c := started(t, t.TempDir())
	createTopic(t, c.Brokers(), "in", 4, appendTime)
	createTopic(t, c.Brokers(), "out", 4, nil)
	const n = 400
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Topic: "in", Key: fmt.Append(nil, i), Value: fmt.Append(nil, i)})
	}
	produceOnce(t, c.Brokers(), records[:n/2]...)

	first := joinGroup(t, c.Brokers(), "first")
	waitForOffsets(t, c.Brokers(), n/2)
	joinGroup(t, c.Brokers(), "second")
	first.leave()
	produceOnce(t, c.Brokers(), records[n/2:]...)
	waitForOffsets(t, c.Brokers(), n)

	seen := make(map[string]int)
	for _, r := range read(t, c.Brokers(), "out", n, kgo.FetchIsolationLevel(kgo.ReadCommitted())) {
		seen[string(r.Value)]++
	}
	for i := range n {
		if v := fmt.Sprint(i); seen[v] != 1 {
			t.Errorf("record %s came out %d times", v, seen[v])
		}
	}
}

func waitForOffsets(t *testing.T, brokers []string, want int64) {
	t.Helper()
	a, ctx := admin(t, brokers), soon(t)
	for {
		offsets, err := a.FetchOffsets(ctx, "group")
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // nobody has joined yet
			t.Fatalf("fetch offsets: %v", err)
		}
		var sum int64
		offsets.Each(func(o kadm.OffsetResponse) { sum += max(o.At, 0) })
		if sum == want {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("the group is at %d, want %d", sum, want)
		}
	}
}

// member is a member of the group that copies "in" to "out".
type member struct {
	t      *testing.T
	name   string
	broker []string
	leave  func()
}

func joinGroup(t *testing.T, brokers []string, name string) *member {
	t.Helper()
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	group, err := sarama.NewConsumerGroup(brokers, "group", config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	m := &member{t: t, name: name, broker: brokers}
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			if err := group.Consume(ctx, []string{"in"}, m); err != nil && ctx.Err() == nil {
				t.Errorf("%s: %v", name, err)
				return
			}
		}
	})
	m.leave = sync.OnceFunc(func() {
		cancel()
		done.Wait()
		if err := group.Close(); err != nil {
			t.Errorf("%s: leave: %v", name, err)
		}
	})
	t.Cleanup(m.leave)
	return m
}

func (m *member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim copies each record in a transaction of its own.
func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	id := fmt.Sprintf("%s-%d", m.name, claim.Partition())
	producer, err := kgo.NewClient(kgo.SeedBrokers(m.broker...), kgo.TransactionalID(id), kgo.ProducerLinger(0), kgo.MaxVersions(transactionsV1()))
	if err != nil {
		return err
	}
	defer producer.Close()
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			if err := m.copy(s, producer, id, message); err != nil {
				// a rebalance came first
				m.t.Logf("%s: partition %d: %v", m.name, claim.Partition(), err)
				return nil
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

func (m *member) copy(s sarama.ConsumerGroupSession, producer *kgo.Client, id string, message *sarama.ConsumerMessage) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := producer.BeginTransaction(); err != nil {
		return err
	}
	result := producer.ProduceSync(ctx, &kgo.Record{Topic: "out", Key: message.Key, Value: message.Value})
	err := result.FirstErr()
	if err == nil {
		err = commitOffset(ctx, producer, id, "group", s.MemberID(), s.GenerationID(), message.Topic, message.Partition, message.Offset+1)
	}
	if err != nil {
		_ = producer.EndTransaction(ctx, kgo.TryAbort) // the first error is the one that matters
		return err
	}
	return producer.EndTransaction(ctx, kgo.TryCommit)
}

// commitOffset makes an offset part of the transaction, if the member is still in its generation.
func commitOffset(ctx context.Context, producer *kgo.Client, id, group, member string, generation int32,
	topicName string, partition int32, offset int64,
) error {
	pid, epoch, err := producer.ProducerID(ctx)
	if err != nil {
		return err
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = id, pid, epoch, group
	added, err := add.RequestWith(ctx, producer)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(added.ErrorCode); err != nil {
		return err
	}
	part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	part.Partition, part.Offset = partition, offset
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic, topic.Partitions = topicName, append(topic.Partitions, part)
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID, commit.ProducerID, commit.ProducerEpoch, commit.Group = id, pid, epoch, group
	commit.Generation, commit.MemberID = generation, member
	commit.Topics = append(commit.Topics, topic)
	committed, err := commit.RequestWith(ctx, producer)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(committed.Topics[0].Partitions[0].ErrorCode)
}

// transactionsV1 are the request versions that name topics in TxnOffsetCommit, and end transactions
// as before Kafka 4.
func transactionsV1() *kversion.Versions {
	versions := kversion.Tip()
	versions.SetMaxKeyVersion(int16(kmsg.TxnOffsetCommit), 4)
	versions.SetMaxKeyVersion(int16(kmsg.EndTxn), 4)
	versions.SetMaxKeyVersion(int16(kmsg.Produce), 11)
	return versions
}
