package kafkalog

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
	// answerBytes bounds what is decompressed of one partition's answer.
	answerBytes = 16 << 20
)

// reading is one read of a topic: round after round of fetches, one to each leader.
type reading struct {
	log     *Log
	topic   string
	id      kadm.TopicID
	leaders map[int32]int32 // by partition
	to      map[int32]int64
	parts   chan []Part
}

func (r *reading) run(ctx context.Context, next map[int32]int64) error {
	maps.DeleteFunc(next, func(p int32, offset int64) bool { return offset >= r.to[p] })
	if len(next) == 0 {
		return nil
	}
	if err := r.findLeaders(ctx); err != nil {
		return err
	}
	for len(next) > 0 {
		byLeader := map[int32]map[int32]int64{}
		for p, offset := range next {
			leader, ok := r.leaders[p]
			if !ok {
				return fmt.Errorf("read %s/%d: it has no leader", r.topic, p)
			}
			if byLeader[leader] == nil {
				byLeader[leader] = map[int32]int64{}
			}
			byLeader[leader][p] = offset
		}
		round, err := r.fetchAll(ctx, byLeader)
		if err != nil {
			return err
		}
		for _, part := range round {
			if next[part.Partition] = part.Next; part.Next >= r.to[part.Partition] {
				delete(next, part.Partition)
			}
		}
		select {
		case r.parts <- round:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// findLeaders learns each partition's leader, and makes the client know the brokers.
func (r *reading) findLeaders(ctx context.Context) error {
	detail, err := Describe(ctx, kadm.NewClient(r.log.client), r.topic)
	if err != nil {
		return err
	}
	r.id, r.leaders = detail.ID, map[int32]int32{}
	for p, partition := range detail.Partitions {
		if partition.Leader >= 0 {
			r.leaders[p] = partition.Leader
		}
	}
	return nil
}

func (r *reading) fetchAll(ctx context.Context, byLeader map[int32]map[int32]int64) ([]Part, error) {
	var mu sync.Mutex
	var all []Part
	var failures []error
	var wait sync.WaitGroup
	for leader, positions := range byLeader {
		wait.Go(func() {
			parts, err := r.fetch(ctx, leader, positions)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, parts...)
			if err != nil {
				failures = append(failures, err)
			}
		})
	}
	wait.Wait()
	return all, errors.Join(failures...)
}

func (r *reading) fetch(ctx context.Context, leader int32, positions map[int32]int64) ([]Part, error) {
	request := kmsg.NewPtrFetchRequest()
	request.MaxWaitMillis = int32(fetchWait.Milliseconds())
	request.MinBytes = 1
	request.MaxBytes = fetchBytes
	request.IsolationLevel = 1 // read_committed
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = r.topic, r.id
	for _, p := range slices.Sorted(maps.Keys(positions)) {
		partition := kmsg.NewFetchRequestTopicPartition()
		partition.Partition = p
		partition.FetchOffset = positions[p]
		partition.PartitionMaxBytes = fetchPartitionBytes
		topic.Partitions = append(topic.Partitions, partition)
	}
	request.Topics = append(request.Topics, topic)
	answer, err := r.log.client.Broker(int(leader)).RetriableRequest(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("fetch %s from broker %d: %w", r.topic, leader, err)
	}
	response := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return nil, fmt.Errorf("fetch %s from broker %d: %w", r.topic, leader, err)
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
	var parts []Part
	for _, partition := range partitions {
		from, asked := positions[partition.Partition]
		if !asked {
			continue
		}
		part, err := r.part(partition, from)
		if err != nil {
			return nil, err
		}
		end := r.to[part.Partition]
		switch {
		case len(partition.RecordBatches) > 0 || part.Next >= end:
		case partition.LastStableOffset < end:
			part.Waits = true
		case empty:
			// Nothing at all was sent although everything before the end is readable: there is
			// nothing, compaction removed it. (If the answer has records of other partitions, it
			// may only have been full.)
			part.Next = end
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// part takes the committed records out of an answer. Every answer of a broker is unpacked here.
func (r *reading) part(partition *kmsg.FetchResponseTopicPartition, from int64) (Part, error) {
	opts := kgo.ProcessFetchPartitionOpts{
		Offset:         from,
		IsolationLevel: kgo.ReadCommitted(),
		Topic:          r.topic,
		Partition:      partition.Partition,
	}
	fetched, next := kgo.ProcessFetchPartition(opts, partition, cluster.NewIntake(answerBytes, nil), nil)
	if errors.Is(fetched.Err, cluster.ErrEnough) { // what came before it was aborted
		fetched.Err = nil
	}
	if placeholder, unreadable := cluster.Placeholder(fetched.Err); unreadable {
		fetched.Records, fetched.Err, next = append(fetched.Records, placeholder), nil, placeholder.Offset+1
	}
	if errors.Is(fetched.Err, kerr.OffsetOutOfRange) {
		return Part{}, fmt.Errorf("read %s/%d at %d: %w (it has %d to %d)", r.topic, partition.Partition, from, ErrMoved,
			partition.LogStartOffset, partition.HighWatermark)
	}
	if fetched.Err != nil {
		return Part{}, fmt.Errorf("read %s/%d at %d: %w", r.topic, partition.Partition, from, fetched.Err)
	}
	return Part{Partition: partition.Partition, Records: fetched.Records, Next: next}, nil
}
