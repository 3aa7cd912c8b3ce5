package atleastonce

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/record"
)

// indexPatience is how long reading the index back may go without any progress.
const indexPatience = 45 * time.Second

// loadIndex reads the partition of the index's topic from its start to its end.
func (l *lane) loadIndex(ctx context.Context, c cluster.Config) error {
	opts, err := c.Franz()
	if err != nil {
		return err
	}
	topic := l.group.Index.Topic
	// Control records are kept since a topic may end in a transaction's marker: without them its end would never be seen.
	client, err := kgo.NewClient(append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {l.partition: kgo.NewOffset().AtStart()}}))...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	defer client.Close()
	start, end, err := bounds(ctx, kadm.NewClient(client), topic, l.partition)
	if err != nil {
		return err
	}
	for position := start; position < end; {
		pollCtx, cancel := context.WithTimeout(ctx, indexPatience)
		fetches := client.PollFetches(pollCtx)
		cancel()
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("read %s, partition %d, at offset %d of %d: %w", topic, l.partition, position, end, err)
		}
		var fault error
		fetches.EachError(func(_ string, _ int32, err error) { fault = errors.Join(fault, err) })
		fetches.EachRecord(func(r *kgo.Record) {
			position = r.Offset + 1
			if r.Attrs.IsControl() || fault != nil {
				return
			}
			fault = l.remember(ctx, r)
		})
		if fault != nil {
			return fmt.Errorf("read %s, partition %d: %w", topic, l.partition, fault)
		}
	}
	return nil
}

func (l *lane) remember(ctx context.Context, r *kgo.Record) error {
	in := record.Of(r)
	entry, ok, err := l.group.Index.Read(ctx, &in)
	if err != nil {
		return fmt.Errorf("offset %d: %w", r.Offset, err)
	}
	if ok && l.group.Index.Retain(entry) && l.index[entry.Key] == nil { // the first outcome stands
		l.index[entry.Key] = entry.Value
	}
	return nil
}

func bounds(ctx context.Context, admin *kadm.Client, topic string, partition int32) (start, end int64, err error) {
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return 0, 0, fmt.Errorf("find the start of %s: %w", topic, err)
	}
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, 0, fmt.Errorf("find the end of %s: %w", topic, err)
	}
	s, _ := starts.Lookup(topic, partition)
	e, ok := ends.Lookup(topic, partition)
	if !ok {
		return 0, 0, fmt.Errorf("topic %s has no partition %d", topic, partition)
	}
	return s.Offset, e.Offset, nil
}
