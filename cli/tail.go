package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/kafkalog"
)

// stallTimeout is how long a read of a bounded range may go without a record before it counts as
// failed.
const stallTimeout = 15 * time.Second

// ranges are offsets of one topic by partition: from is included, to is not.
type ranges struct{ from, to map[int32]int64 }

// logRanges returns what the topics hold now, up to the last finished transaction.
func logRanges(ctx context.Context, config cluster.Config, topics []string) (map[string]ranges, error) {
	opts, err := config.Franz()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	all := map[string]ranges{}
	for _, topic := range topics {
		all[topic] = ranges{map[int32]int64{}, map[int32]int64{}}
	}
	ask := func(what string, list kafkalog.Lister, take func(kadm.ListedOffset)) error {
		listed, err := list(ctx, topics...)
		if err == nil {
			err = listed.Error()
		}
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			return Finding("a dead letter topic does not exist: run 'topics create' or start the system once (%w)", err)
		}
		if err != nil {
			return fmt.Errorf("find the %s of the dead letter topics: %w", what, err)
		}
		listed.Each(take)
		return nil
	}
	if err := ask("end", admin.ListCommittedOffsets, func(o kadm.ListedOffset) { all[o.Topic].to[o.Partition] = o.Offset }); err != nil {
		return nil, err
	}
	if err := ask("start", admin.ListStartOffsets, func(o kadm.ListedOffset) { all[o.Topic].from[o.Partition] = o.Offset }); err != nil {
		return nil, err
	}
	return all, nil
}

// readRanges calls visit with every committed record in the ranges, in order within a partition.
func readRanges(ctx context.Context, log *kafkalog.Log, topic string, r ranges, visit func(*kgo.Record)) error {
	open := maps.Clone(r.from)
	maps.DeleteFunc(open, func(p int32, from int64) bool { return from >= r.to[p] })
	bounded, cancel := context.WithCancel(ctx)
	defer cancel()
	stalled := time.AfterFunc(stallTimeout, cancel)
	defer stalled.Stop()
	err := log.ReadTopic(bounded, topic, open, r.to, func(round []kafkalog.Part) error {
		for _, part := range round {
			for _, record := range part.Records {
				if record.Offset < r.to[part.Partition] {
					visit(record)
				}
			}
			if part.Next >= r.to[part.Partition] {
				delete(open, part.Partition)
			}
		}
		stalled.Reset(stallTimeout)
		return nil
	})
	switch {
	case err == nil, ctx.Err() != nil:
		return ctx.Err()
	case bounded.Err() != nil:
		return Infrastructure("no record within %s although %s should have some: is a broker down?", stallTimeout, plural(len(open), "partition"))
	}
	return err
}

// readTails calls visit with at least the last limit records of each partition, or all if there are
// fewer. It may visit a record twice.
func readTails(ctx context.Context, config cluster.Config, topics []string, limit int, visit func(*kgo.Record)) error {
	whole, err := logRanges(ctx, config, topics)
	if err != nil {
		return err
	}
	log, err := kafkalog.Open(config)
	if err != nil {
		return err
	}
	defer log.Close()
	for topic, r := range whole {
		// A transaction's end takes an offset, too, so half of the offsets may be no records.
		for window := int64(limit)*2 + 1; len(r.from) > 0; window *= 4 {
			tail, found := ranges{map[int32]int64{}, r.to}, map[int32]int{}
			for p, from := range r.from {
				tail.from[p] = max(from, r.to[p]-window)
			}
			if err := readRanges(ctx, log, topic, tail, func(record *kgo.Record) { found[record.Partition]++; visit(record) }); err != nil {
				return err
			}
			maps.DeleteFunc(r.from, func(p int32, from int64) bool { return tail.from[p] == from || found[p] >= limit })
		}
	}
	return nil
}
