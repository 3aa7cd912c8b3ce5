package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
)

// stallTimeout is how long a read of a bounded range may go without a record before it counts as
// failed.
const stallTimeout = 15 * time.Second

// span is a range of offsets of one partition: from is included, to is not.
type span struct{ from, to int64 }

// spans are ranges by topic and partition.
type spans map[string]map[int32]span

func (s spans) add(topic string, partition int32, what span) {
	if what.from >= what.to {
		return
	}
	if s[topic] == nil {
		s[topic] = map[int32]span{}
	}
	s[topic][partition] = what
}

// logRanges returns what the topics hold now, up to the last finished transaction.
func logRanges(ctx context.Context, config cluster.Config, topics []string) (spans, error) {
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
	ends, err := admin.ListCommittedOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, rangeError("end", err)
	}
	starts, err := admin.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, rangeError("start", err)
	}
	ranges := spans{}
	ends.Each(func(end kadm.ListedOffset) {
		if start, ok := starts.Lookup(end.Topic, end.Partition); ok {
			ranges.add(end.Topic, end.Partition, span{start.Offset, end.Offset})
		}
	})
	return ranges, nil
}

func rangeError(what string, err error) error {
	if err == kerr.UnknownTopicOrPartition {
		return Finding("a dead letter topic does not exist: run 'topics create' or start the system once (%w)", err)
	}
	return fmt.Errorf("find the %s of the dead letter topics: %w", what, err)
}

// readSpans calls visit with every committed record in the ranges, in order within a partition. The
// record is only valid during the call.
func readSpans(ctx context.Context, config cluster.Config, ranges spans, visit func(*kgo.Record)) error {
	opts, err := config.Franz()
	if err != nil {
		return err
	}
	offsets := map[string]map[int32]kgo.Offset{}
	open := 0
	for topic, partitions := range ranges {
		offsets[topic] = map[int32]kgo.Offset{}
		for partition, s := range partitions {
			offsets[topic][partition] = kgo.NewOffset().At(s.from)
			open++
		}
	}
	if open == 0 {
		return nil
	}
	opts = append(opts,
		kgo.ConsumePartitions(offsets),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // the last offset of a partition is often a transaction's end
	)
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	defer client.Close()
	done := map[string]map[int32]bool{}
	for open > 0 {
		bounded, cancel := context.WithTimeout(ctx, stallTimeout)
		fetches := client.PollFetches(bounded)
		stalled := bounded.Err()
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if stalled != nil && fetches.NumRecords() == 0 {
			return Infrastructure("no record within %s although %s should have some: is a broker down?", stallTimeout, plural(open, "partition"))
		}
		for _, failure := range fetches.Errors() {
			return fmt.Errorf("read %s/%d: %w", failure.Topic, failure.Partition, failure.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			end := ranges[r.Topic][r.Partition].to
			if r.Offset < end && !r.Attrs.IsControl() {
				visit(r)
			}
			if r.Offset >= end-1 && !done[r.Topic][r.Partition] {
				if done[r.Topic] == nil {
					done[r.Topic] = map[int32]bool{}
				}
				done[r.Topic][r.Partition] = true
				open--
			}
		})
	}
	return nil
}

// readTails calls visit with at least the last limit records of each partition, or all where there
// are fewer. It may visit a record twice.
func readTails(ctx context.Context, config cluster.Config, topics []string, limit int, visit func(*kgo.Record)) error {
	whole, err := logRanges(ctx, config, topics)
	if err != nil {
		return err
	}
	// A transaction's end takes an offset, too, so half of the offsets may be no records.
	for window := int64(limit)*2 + 1; len(whole) > 0; window *= 4 {
		tails, again, found := spans{}, spans{}, map[string]map[int32]int{}
		for topic, partitions := range whole {
			found[topic] = map[int32]int{}
			for partition, s := range partitions {
				tails.add(topic, partition, span{max(s.from, s.to-window), s.to})
			}
		}
		if err := readSpans(ctx, config, tails, func(r *kgo.Record) { found[r.Topic][r.Partition]++; visit(r) }); err != nil {
			return err
		}
		for topic, partitions := range whole {
			for partition, s := range partitions {
				if tails[topic][partition].from > s.from && found[topic][partition] < limit {
					again.add(topic, partition, s)
				}
			}
		}
		whole = again
	}
	return nil
}
