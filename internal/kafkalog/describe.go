package kafkalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Describe returns a topic's id, partitions and leaders. A topic that does not exist is an error.
func Describe(ctx context.Context, admin *kadm.Client, topic string) (kadm.TopicDetail, error) {
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

// Lister is one of kadm's methods that list offsets: ListStartOffsets, ListEndOffsets (high
// watermarks, open transactions included) or ListCommittedOffsets (last stable offsets).
type Lister func(context.Context, ...string) (kadm.ListedOffsets, error)

// Offsets asks for one offset of each partition of the topics, and returns them by topic and
// partition. A partition without an answer is an error.
func Offsets(ctx context.Context, list Lister, partitions int, topics ...string) (map[string][]int64, error) {
	all := map[string][]int64{}
	if len(topics) == 0 {
		return all, nil // kadm would list every topic
	}
	listed, err := list(ctx, topics...)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, err
	}
	for _, topic := range topics {
		all[topic] = make([]int64, partitions)
		for p := range all[topic] {
			o, ok := listed.Lookup(topic, int32(p))
			if !ok {
				return nil, fmt.Errorf("no answer for %s/%d", topic, p)
			}
			all[topic][p] = o.Offset
		}
	}
	return all, nil
}
