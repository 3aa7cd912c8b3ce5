package views

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	// adminTimeout bounds one look at the cluster.
	adminTimeout = 30 * time.Second
	// defaultDeleteRetention is Kafka's default of delete.retention.ms.
	defaultDeleteRetention = 24 * time.Hour
)

// description is what the cluster says about a topic.
type description struct {
	at time.Time // before the cluster was asked
	id string
	// by partition: the first offset, and the high watermark, open transactions included
	start, end map[int32]int64
	// deleteRetention is how long the topic keeps tombstones after compaction.
	deleteRetention time.Duration
}

// describe asks for what a replica must know of its topic. A topic that does not exist or has
// another partition count is an error.
func describe(ctx context.Context, admin *kadm.Client, topic string, partitions int) (description, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	d := description{at: time.Now(), start: map[int32]int64{}, end: map[int32]int64{}, deleteRetention: defaultDeleteRetention}
	detail, err := topicDetail(ctx, admin, topic)
	if err != nil {
		return d, err
	}
	if len(detail.Partitions) != partitions {
		return d, fmt.Errorf("topic %s has %d partitions, the settings ask for %d: set --partitions %d or migrate",
			topic, len(detail.Partitions), partitions, len(detail.Partitions))
	}
	d.id = detail.ID.String()
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return d, fmt.Errorf("describe settings of topic %s: %w", topic, err)
	}
	for _, resource := range configs {
		if resource.Err != nil {
			return d, fmt.Errorf("describe settings of topic %s: %w", topic, resource.Err)
		}
		for _, config := range resource.Configs {
			if ms, err := strconv.ParseInt(config.MaybeValue(), 10, 64); config.Key == "delete.retention.ms" && err == nil {
				d.deleteRetention = time.Duration(ms) * time.Millisecond
			}
		}
	}
	if err := offsets(ctx, admin.ListStartOffsets, topic, d.start, partitions); err != nil {
		return d, fmt.Errorf("list start offsets of topic %s: %w", topic, err)
	}
	if err := offsets(ctx, admin.ListEndOffsets, topic, d.end, partitions); err != nil {
		return d, fmt.Errorf("list end offsets of topic %s: %w", topic, err)
	}
	return d, nil
}

// topicDetail returns a topic's id, partitions and leaders.
func topicDetail(ctx context.Context, admin *kadm.Client, topic string) (kadm.TopicDetail, error) {
	listed, err := admin.ListTopics(ctx, topic)
	if err != nil {
		return kadm.TopicDetail{}, fmt.Errorf("describe topic %s: %w", topic, err)
	}
	detail := listed[topic]
	switch {
	case errors.Is(detail.Err, kerr.UnknownTopicOrPartition) || detail.Err == nil && len(detail.Partitions) == 0:
		return detail, fmt.Errorf("topic %s does not exist: run 'foldlog topics create'", topic)
	case detail.Err != nil:
		return detail, fmt.Errorf("describe topic %s: %w", topic, detail.Err)
	}
	return detail, nil
}

// lister is one of kadm's functions that list offsets.
type lister func(context.Context, ...string) (kadm.ListedOffsets, error)

func offsets(ctx context.Context, list lister, topic string, into map[int32]int64, partitions int) error {
	listed, err := list(ctx, topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return err
	}
	for p := range int32(partitions) {
		o, ok := listed.Lookup(topic, p)
		if !ok {
			return fmt.Errorf("no answer for partition %d", p)
		}
		into[p] = o.Offset
	}
	return nil
}
