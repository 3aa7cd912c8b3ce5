package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/internal/cluster"
)

// kafka is the access to the brokers that restoring and fencing need: a partition as they show it,
// and the holders of open transactions. It is the seam behind which the simulation has brokers of
// its own. Each method asks once; the caller tries again.
type kafka interface {
	// Requestor answers ListOffsets, OffsetFetch and InitProducerID.
	kmsg.Requestor
	// committed reads on in a partition from a place, read committed, control records included.
	committed(ctx context.Context, topic string, partition int32, at int64) (chunk, error)
	// ahead runs the fetches of chunks while earlier chunks are being used.
	ahead(ctx context.Context, chunks iter.Seq[chunk]) iter.Seq[chunk]
	// writers returns the producers that have a transaction open on a partition.
	writers(ctx context.Context, topic string, partition int32) ([]int64, error)
	// transactions returns the transactional ids whose transactions are ongoing, of certain
	// producers or, for nil, of all.
	transactions(ctx context.Context, producers []int64) ([]string, error)
	// transaction returns the producer of a transactional id, and whether its transaction is
	// ongoing.
	transaction(ctx context.Context, id string) (producer int64, epoch int16, open bool, err error)
	// members returns the group.instance.ids of a group's members.
	members(ctx context.Context, group string) ([]string, error)
	// identity returns a topic's id, and the time for which deletions stay in it; 0 if that is
	// unknown.
	identity(ctx context.Context, topic string) (id string, deleteRetention time.Duration, err error)
}

// chunk is the result of one fetch of a restore.
type chunk struct {
	records []*kgo.Record
	next    int64 // the place after all that was looked at: records, markers, aborted data
	stable  int64 // the last stable offset
	empty   bool  // there was nothing to look at
	err     error
}

// franzKafka is the brokers through franz-go.
type franzKafka struct {
	*kgo.Client
	admin *kadm.Client

	mu      sync.Mutex
	leaders map[topicPartition]int32
}

type topicPartition struct {
	topic     string
	partition int32
}

func newFranzKafka(client *kgo.Client) *franzKafka {
	return &franzKafka{Client: client, admin: kadm.NewClient(client), leaders: map[topicPartition]int32{}}
}

// fetchBytes is the size of a fetch in a restore, and restoreAnswer the bytes of one answer that
// are decompressed.
const (
	fetchBytes    = 8 << 20
	restoreAnswer = 32 << 20
)

func (b *franzKafka) committed(ctx context.Context, topic string, partition int32, at int64) (chunk, error) {
	p, err := b.fetch(ctx, topic, partition, at)
	var c chunk
	if err == nil {
		records, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
			KeepControlRecords: true, Offset: at, IsolationLevel: kgo.ReadCommitted(), Topic: topic, Partition: partition,
		}, p, cluster.NewIntake(restoreAnswer, nil), nil)
		if errors.Is(records.Err, cluster.ErrEnough) { // what came before it was aborted
			records.Err = nil
		}
		if placeholder, unreadable := cluster.Placeholder(records.Err); unreadable {
			records.Records, records.Err, next = append(records.Records, placeholder), nil, placeholder.Offset+1
		}
		c, err = chunk{records: records.Records, next: next, stable: p.LastStableOffset, empty: len(p.RecordBatches) == 0}, records.Err
	}
	if err != nil {
		b.mu.Lock()
		delete(b.leaders, topicPartition{topic, partition}) // it may have moved
		b.mu.Unlock()
	}
	return c, err
}

// fetch asks the partition's leader for the records behind a place.
func (b *franzKafka) fetch(ctx context.Context, topic string, partition int32, at int64) (*kmsg.FetchResponseTopicPartition, error) {
	leader, err := b.leader(ctx, topic, partition)
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = -1, 100, 1, fetchBytes
	req.IsolationLevel, req.SessionID, req.SessionEpoch = readCommitted, 0, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch, p.LogStartOffset, p.PartitionMaxBytes = partition, -1, at, -1, -1, fetchBytes
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	raw, err := b.Broker(int(leader)).RetriableRequest(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := raw.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, errors.New("the broker's answer lacks the partition")
	}
	return &resp.Topics[0].Partitions[0], nil
}

func (b *franzKafka) leader(ctx context.Context, topic string, partition int32) (int32, error) {
	at := topicPartition{topic, partition}
	b.mu.Lock()
	leader, known := b.leaders[at]
	b.mu.Unlock()
	if known {
		return leader, nil
	}
	meta, err := b.admin.Metadata(ctx, topic)
	if err != nil {
		return -1, err
	}
	p, ok := meta.Topics[topic].Partitions[partition]
	if !ok {
		return -1, errors.Join(fmt.Errorf("%s has no partition %d", topic, partition), meta.Topics[topic].Err)
	}
	if p.Err != nil || p.Leader < 0 {
		return -1, errors.Join(fmt.Errorf("partition %d of %s has no leader", partition, topic), p.Err)
	}
	b.mu.Lock()
	b.leaders[at] = p.Leader
	b.mu.Unlock()
	return p.Leader, nil
}

// ahead has one chunk on its way while another is being stored.
func (b *franzKafka) ahead(ctx context.Context, bring iter.Seq[chunk]) iter.Seq[chunk] {
	return func(yield func(chunk) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		chunks := make(chan chunk, 1)
		go func() {
			defer close(chunks)
			for c := range bring {
				select {
				case chunks <- c:
				case <-ctx.Done():
					return
				}
			}
		}()
		for c := range chunks {
			if !yield(c) {
				return
			}
		}
	}
}

func (b *franzKafka) writers(ctx context.Context, topic string, partition int32) ([]int64, error) {
	set := kadm.TopicsSet{}
	set.Add(topic, partition)
	described, err := b.admin.DescribeProducers(ctx, set)
	if err != nil {
		return nil, err
	}
	var producers []int64
	described.EachProducer(func(p kadm.DescribedProducer) {
		if p.CurrentTxnStartOffset >= 0 {
			producers = append(producers, p.ProducerID)
		}
	})
	return producers, nil
}

// stateOngoing is a transaction that is neither prepared nor complete.
const stateOngoing = "Ongoing"

func (b *franzKafka) transactions(ctx context.Context, producers []int64) ([]string, error) {
	listed, err := b.admin.ListTransactions(ctx, producers, []string{stateOngoing})
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(listed))
	for id := range listed {
		ids = append(ids, id)
	}
	return ids, nil
}

func (b *franzKafka) transaction(ctx context.Context, id string) (int64, int16, bool, error) {
	described, err := b.admin.DescribeTransactions(ctx, id)
	if err == nil {
		err = described[id].Err
	}
	if errors.Is(err, kerr.TransactionalIDNotFound) {
		return -1, -1, false, nil
	}
	if err != nil {
		return -1, -1, false, fmt.Errorf("describe the transaction of %s: %w", id, err)
	}
	d := described[id]
	return d.ProducerID, d.ProducerEpoch, d.State == stateOngoing, nil
}

func (b *franzKafka) members(ctx context.Context, group string) ([]string, error) {
	described, err := b.admin.DescribeGroups(ctx, group)
	if err == nil {
		err = described[group].Err
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, m := range described[group].Members {
		if m.InstanceID != nil {
			ids = append(ids, *m.InstanceID)
		}
	}
	return ids, nil
}

func (b *franzKafka) identity(ctx context.Context, topic string) (string, time.Duration, error) {
	listed, err := b.admin.ListTopics(ctx, topic)
	if err == nil {
		err = listed[topic].Err
	}
	if err != nil {
		return "", 0, err
	}
	id := listed[topic].ID.String()
	configs, err := b.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return id, 0, nil // for want of permission, say
	}
	for _, c := range configs {
		for _, value := range c.Configs {
			if millis, err := strconv.ParseInt(value.MaybeValue(), 10, 64); value.Key == "delete.retention.ms" && err == nil && millis > 0 {
				return id, time.Duration(millis) * time.Millisecond, nil
			}
		}
	}
	return id, 0, nil
}
