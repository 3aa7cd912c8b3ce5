package dump

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/proof/history"
)

// errFound ends a search.
var errFound = errors.New("found")

// Lag returns what groups have not handled: for each partition, whether there is a committed record
// behind the committed offset. Markers and aborted records are nothing to handle. It is empty when
// everything is.
func Lag(ctx context.Context, client *kgo.Client) ([]string, error) {
	admin := kadm.NewClient(client)
	topics, err := places(ctx, admin)
	if err != nil {
		return nil, err
	}
	offsets, err := Offsets(ctx, admin)
	if err != nil {
		return nil, err
	}
	var lagging []string
	for name, topic := range topics {
		for partition, end := range topic.End {
			if topic.Stable[partition] < end {
				lagging = append(lagging, fmt.Sprintf("a transaction is open on %s/%d at offset %d of %d", name, partition, topic.Stable[partition], end))
			}
		}
	}
	for group, inputs := range offsets {
		for topic, committed := range inputs {
			for partition, end := range topics[topic].Stable {
				from, has := committed[partition]
				if !has {
					from = topics[topic].Start[partition]
				}
				if from >= end {
					continue
				}
				r := &reader{client: client, topic: topic, partition: partition, committed: true}
				err := r.read(ctx, max(from, topics[topic].Start[partition]), end, func(record *kgo.Record) error {
					lagging = append(lagging, fmt.Sprintf("group %s has not handled %s/%d from offset %d on, which ends at %d", group, topic, partition, record.Offset, end))
					return errFound
				})
				if err != nil && !errors.Is(err, errFound) {
					return nil, err
				}
			}
		}
	}
	slices.Sort(lagging)
	return lagging, nil
}

// Ends returns where every partition ends, as one text, to see whether anything is being written.
func Ends(ctx context.Context, client *kgo.Client) (string, error) {
	topics, err := places(ctx, kadm.NewClient(client))
	if err != nil {
		return "", err
	}
	return endsOf(topics), nil
}

func endsOf(topics map[string]history.Topic) string {
	var all []string
	for name, topic := range topics {
		for partition, end := range topic.End {
			all = append(all, fmt.Sprintf("%s/%d %d", name, partition, end))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}
