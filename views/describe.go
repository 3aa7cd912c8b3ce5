package views

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/foldlog/foldlog/internal/kafkalog"
)

const (
	// adminTimeout bounds one look at the cluster.
	adminTimeout = 30 * time.Second
	// defaultDeleteRetention is Kafka's default of delete.retention.ms.
	defaultDeleteRetention = 24 * time.Hour
)

// description is the cluster's description of a topic.
type description struct {
	at time.Time // before the cluster was asked
	id string
	// By partition: the first offset, and the high watermark, which includes open transactions.
	start, end map[int32]int64
	// deleteRetention is how long the topic keeps tombstones after compaction.
	deleteRetention time.Duration
}

// describe asks the cluster about a replica's topic. It returns an error if the topic does not
// exist or has another partition count.
func describe(ctx context.Context, admin *kadm.Client, topic string, partitions int) (description, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	d := description{at: time.Now(), start: map[int32]int64{}, end: map[int32]int64{}, deleteRetention: defaultDeleteRetention}
	detail, err := kafkalog.Describe(ctx, admin, topic)
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
	starts, err := kafkalog.Offsets(ctx, admin.ListStartOffsets, partitions, topic)
	if err != nil {
		return d, fmt.Errorf("list start offsets of topic %s: %w", topic, err)
	}
	ends, err := kafkalog.Offsets(ctx, admin.ListEndOffsets, partitions, topic)
	if err != nil {
		return d, fmt.Errorf("list end offsets of topic %s: %w", topic, err)
	}
	for p := range int32(partitions) {
		d.start[p], d.end[p] = starts[topic][p], ends[topic][p]
	}
	return d, nil
}
