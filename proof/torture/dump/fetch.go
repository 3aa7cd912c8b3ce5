package dump

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fetchPatience is how long a partition may give nothing.
const fetchPatience = 30 * time.Second

// reader reads a partition by place.
type reader struct {
	client    *kgo.Client
	topic     string
	partition int32
	committed bool

	leader int32
	id     [16]byte // of the topic; zero until it is looked up, and again after an error
}

// read calls each for every record in [from, end) and returns when the place has reached the end.
func (r *reader) read(ctx context.Context, from, end int64, each func(*kgo.Record) error) error {
	progress := time.Now()
	for at := from; at < end; {
		records, next, err := r.fetch(ctx, at, end)
		if err == nil && next > at {
			for _, record := range records {
				if record.Offset >= end || record.Attrs.IsControl() {
					continue
				}
				if err := each(record); err != nil {
					return err
				}
			}
			at, progress = next, time.Now()
			continue
		}
		if err == nil {
			err = errors.New("the brokers send nothing")
		} else {
			r.id = [16]byte{} // the leader may have moved
		}
		if time.Since(progress) > fetchPatience {
			return fmt.Errorf("read %s, partition %d, at offset %d of %d: %w", r.topic, r.partition, at, end, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func (r *reader) fetch(ctx context.Context, at, end int64) ([]*kgo.Record, int64, error) {
	const size = 8 << 20
	isolation, level := kgo.ReadUncommitted(), int8(0)
	if r.committed {
		isolation, level = kgo.ReadCommitted(), 1
	}
	request := kmsg.NewPtrFetchRequest()
	request.ReplicaID, request.MaxWaitMillis, request.MinBytes, request.MaxBytes = -1, 100, 1, size
	request.IsolationLevel, request.SessionEpoch = level, -1
	if err := r.find(ctx); err != nil {
		return nil, at, err
	}
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = r.topic, r.id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch, p.LogStartOffset, p.PartitionMaxBytes = r.partition, -1, at, -1, -1, size
	topic.Partitions = append(topic.Partitions, p)
	request.Topics = append(request.Topics, topic)
	raw, err := r.client.Broker(int(r.leader)).RetriableRequest(ctx, request)
	if err != nil {
		return nil, at, err
	}
	response := raw.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return nil, at, err
	}
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return nil, at, errors.New("the broker's answer lacks the partition")
	}
	answer := &response.Topics[0].Partitions[0]
	records, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		KeepControlRecords: true, Offset: at, IsolationLevel: isolation, Topic: r.topic, Partition: r.partition,
	}, answer, kgo.DefaultDecompressor(), nil)
	if records.Err == nil && next <= at && len(answer.RecordBatches) == 0 && answer.LastStableOffset >= end {
		next = end // all is decided, and compaction left nothing from here on
	}
	return records.Records, next, records.Err
}

// find looks the partition's leader up.
func (r *reader) find(ctx context.Context) error {
	if r.id != [16]byte{} {
		return nil
	}
	request := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &r.topic
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, r.client)
	if err != nil {
		return err
	}
	for _, t := range response.Topics {
		for _, p := range t.Partitions {
			if p.Partition == r.partition && p.Leader >= 0 {
				r.leader, r.id = p.Leader, t.TopicID
				return nil
			}
		}
	}
	return fmt.Errorf("%s, partition %d, has no leader", r.topic, r.partition)
}
