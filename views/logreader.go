package views

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/internal/cluster"
)

const (
	// fetchWait is how long a broker may hold a fetch for which it has nothing.
	fetchWait = 250 * time.Millisecond
	// fetchBytes and fetchPartitionBytes bound an answer. A larger batch is still sent, alone.
	fetchBytes          = 16 << 20
	fetchPartitionBytes = 512 << 10
	// maxDecompressed bounds what a compressed batch may grow to.
	maxDecompressed = 64 << 20
)

// errMoved says that the log does not have the offsets that were asked for.
var errMoved = errors.New("the log does not have the offset any more")

// logReader reads parts of a topic's committed log and knows its exact position: behind transaction
// markers, aborted records and holes from compaction, which no consumer client says.
type logReader struct {
	client       *kgo.Client
	decompressor kgo.Decompressor
	topic        string
}

// chunk is what a fetch brought of one partition.
type chunk struct {
	partition int32
	records   []*kgo.Record // committed ones, in order
	next      int64         // everything before it was read
	// the partition has more before the end, but an open transaction holds it back
	waits bool
}

// newFetchClient returns a client to read logs with. It is not one to share with anything that must
// not wait: a broker answers the requests of one connection in order, and holds a fetch for which
// it has nothing.
func newFetchClient(c cluster.Config) (*kgo.Client, error) {
	opts, err := c.Franz()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(opts, kgo.ClientID(c.ClientID+"-view-restore"), kgo.MaxDecompressBatchBytes(maxDecompressed))...)
	if err != nil {
		return nil, fmt.Errorf("kafka client to read logs: %w", err)
	}
	return client, nil
}

func newLogReader(client *kgo.Client, topic string) (*logReader, error) {
	// the client's own, with its bound
	bounded, ok := client.OptValue(kgo.WithDecompressor).(kgo.Decompressor)
	if !ok {
		return nil, errors.New("kafka client to read logs: it has no decompressor")
	}
	return &logReader{client: client, decompressor: bounded, topic: topic}, nil
}

// read reads each partition of from up to the end that to has for it, and calls deliver with what
// it gets, in order per partition, from one goroutine. While deliver works, the next part is
// fetched. Open transactions before an end are waited for.
//
// It fails with errMoved where an offset is out of range, with deliver's error, and for any trouble
// with the cluster.
func (l *logReader) read(ctx context.Context, from, to map[int32]int64, deliver func([]chunk) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rounds := make(chan []chunk, 1)
	failed := make(chan error, 1)
	go func() {
		defer close(rounds)
		failed <- l.rounds(ctx, maps.Clone(from), to, rounds)
	}()
	for round := range rounds {
		if err := deliver(round); err != nil {
			cancel()
			for range rounds {
			}
			return err
		}
	}
	return <-failed
}

func (l *logReader) rounds(ctx context.Context, next, to map[int32]int64, rounds chan<- []chunk) error {
	for p, offset := range next {
		if offset >= to[p] {
			delete(next, p)
		}
	}
	if len(next) == 0 {
		return nil
	}
	leaders, id, err := l.leaders(ctx)
	if err != nil {
		return err
	}
	for len(next) > 0 {
		byLeader := map[int32]map[int32]int64{}
		for p, offset := range next {
			leader, ok := leaders[p]
			if !ok {
				return fmt.Errorf("read %s/%d: it has no leader", l.topic, p)
			}
			if byLeader[leader] == nil {
				byLeader[leader] = map[int32]int64{}
			}
			byLeader[leader][p] = offset
		}
		round, err := l.fetchAll(ctx, byLeader, id, to)
		if err != nil {
			return err
		}
		for _, c := range round {
			if next[c.partition] = c.next; c.next >= to[c.partition] {
				delete(next, c.partition)
			}
		}
		select {
		case rounds <- round:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// leaders returns each partition's leader, and makes the client know the brokers.
func (l *logReader) leaders(ctx context.Context) (map[int32]int32, kadm.TopicID, error) {
	detail, err := topicDetail(ctx, kadm.NewClient(l.client), l.topic)
	if err != nil {
		return nil, kadm.TopicID{}, err
	}
	leaders := map[int32]int32{}
	for p, partition := range detail.Partitions {
		if partition.Leader >= 0 {
			leaders[p] = partition.Leader
		}
	}
	return leaders, detail.ID, nil
}

func (l *logReader) fetchAll(ctx context.Context, byLeader map[int32]map[int32]int64, id kadm.TopicID, to map[int32]int64) ([]chunk, error) {
	var mu sync.Mutex
	var all []chunk
	var failures []error
	var wait sync.WaitGroup
	for leader, positions := range byLeader {
		wait.Go(func() {
			chunks, err := l.fetch(ctx, leader, id, positions, to)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, chunks...)
			if err != nil {
				failures = append(failures, err)
			}
		})
	}
	wait.Wait()
	return all, errors.Join(failures...)
}

func (l *logReader) fetch(ctx context.Context, leader int32, id kadm.TopicID, positions, to map[int32]int64) ([]chunk, error) {
	request := kmsg.NewPtrFetchRequest()
	request.MaxWaitMillis = int32(fetchWait.Milliseconds())
	request.MinBytes = 1
	request.MaxBytes = fetchBytes
	request.IsolationLevel = 1 // read_committed
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = l.topic, id
	for _, p := range slices.Sorted(maps.Keys(positions)) {
		partition := kmsg.NewFetchRequestTopicPartition()
		partition.Partition = p
		partition.FetchOffset = positions[p]
		partition.PartitionMaxBytes = fetchPartitionBytes
		topic.Partitions = append(topic.Partitions, partition)
	}
	request.Topics = append(request.Topics, topic)
	answer, err := l.client.Broker(int(leader)).RetriableRequest(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("fetch %s from broker %d: %w", l.topic, leader, err)
	}
	response := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return nil, fmt.Errorf("fetch %s from broker %d: %w", l.topic, leader, err)
	}
	empty := true
	var partitions []*kmsg.FetchResponseTopicPartition
	for t := range response.Topics {
		for p := range response.Topics[t].Partitions {
			partition := &response.Topics[t].Partitions[p]
			partitions = append(partitions, partition)
			empty = empty && len(partition.RecordBatches) == 0
		}
	}
	var chunks []chunk
	for _, partition := range partitions {
		from, asked := positions[partition.Partition]
		if !asked {
			continue
		}
		c, err := l.chunk(partition, from)
		if err != nil {
			return nil, err
		}
		end := to[c.partition]
		switch {
		case len(partition.RecordBatches) > 0 || c.next >= end:
		case partition.LastStableOffset < end:
			c.waits = true
		case empty:
			// Nothing at all was sent although everything before the end is readable: there is
			// nothing, compaction removed it. (With other partitions' records in the answer it may
			// only have been full.)
			c.next = end
		}
		chunks = append(chunks, c)
	}
	return chunks, nil
}

func (l *logReader) chunk(partition *kmsg.FetchResponseTopicPartition, from int64) (chunk, error) {
	opts := kgo.ProcessFetchPartitionOpts{
		Offset:         from,
		IsolationLevel: kgo.ReadCommitted(),
		Topic:          l.topic,
		Partition:      partition.Partition,
	}
	fetched, next := kgo.ProcessFetchPartition(opts, partition, l.decompressor, nil)
	if errors.Is(fetched.Err, kerr.OffsetOutOfRange) {
		return chunk{}, fmt.Errorf("read %s/%d at %d: %w (it has %d to %d)", l.topic, partition.Partition, from, errMoved,
			partition.LogStartOffset, partition.HighWatermark)
	}
	if fetched.Err != nil {
		return chunk{}, fmt.Errorf("read %s/%d at %d: %w", l.topic, partition.Partition, from, fetched.Err)
	}
	return chunk{partition: partition.Partition, records: fetched.Records, next: next}, nil
}
