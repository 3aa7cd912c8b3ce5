package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
)

// verify reads back what a peer wrote and compares it with what the commands must lead to: each
// command has one outcome, the events are as many as they must be, and each account's last row is
// right.
func (b *site) verify(ctx context.Context, p peer, t task, w workload) error {
	outcomes, events := 0, 0
	seen := make([]bool, w.Commands)
	err := b.readAll(ctx, t.Outcomes, func(r *kgo.Record) error {
		id, err := idOf(r.Value)
		switch {
		case err != nil:
			return err
		case id >= w.Commands:
			return fmt.Errorf("an outcome for command %d, which was not given", id)
		case seen[id]:
			return fmt.Errorf("a second outcome for command %d", id)
		}
		seen[id] = true
		outcomes++
		return nil
	})
	if err == nil {
		err = b.readAll(ctx, t.Events, func(*kgo.Record) error { events++; return nil })
	}
	if err != nil {
		return fmt.Errorf("what %s wrote: %w", p.name, err)
	}
	if outcomes != w.Commands || events != w.Commands*w.EventsPerCommand {
		return fmt.Errorf("what %s wrote: %d outcomes and %d events for %d commands", p.name, outcomes, events, w.Commands)
	}
	if p.bare {
		return nil
	}
	have := map[string]string{}
	if err := b.readAll(ctx, t.Table, func(r *kgo.Record) error { have[string(r.Key)] = string(r.Value); return nil }); err != nil {
		return fmt.Errorf("what %s wrote: %w", p.name, err)
	}
	var wrong []string
	rows := 0
	for key, want := range w.expected() {
		if want == (row{}) {
			continue // drawn by no command
		}
		rows++
		if got := have[string(keyText(key))]; got != string(want.encode()) {
			wrong = append(wrong, fmt.Sprintf("%s is %q, want %q", keyText(key), got, want.encode()))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("what %s wrote: %d of %d rows are wrong: %s", p.name, len(wrong), rows, strings.Join(wrong[:min(len(wrong), 3)], "; "))
	}
	if len(have) != rows {
		return fmt.Errorf("what %s wrote: %d rows, want %d", p.name, len(have), rows)
	}
	return nil
}

// settledEnds returns the ends of a topic's partitions once no transaction is open below them:
// offsets of inputs may be seen to be committed before the markers are in every partition.
func (b *site) settledEnds(ctx context.Context, topic string) (map[int32]int64, error) {
	written, err := b.admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = written.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("end of %s: %w", topic, err)
	}
	ends := map[int32]int64{}
	err = poll(ctx, 5*time.Millisecond, patience, func() (bool, error) {
		stable, err := b.admin.ListCommittedOffsets(ctx, topic)
		if err = errors.Join(err, stable.Error()); err != nil {
			return false, err
		}
		for partition, end := range written[topic] {
			ends[partition] = end.Offset
			if stable[topic][partition].Offset < end.Offset {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("end of %s: a transaction stays open: %w", topic, err)
	}
	return ends, nil
}

// readAll hands over what a read_committed reader sees of a topic up to its present end.
func (b *site) readAll(ctx context.Context, topic string, each func(*kgo.Record) error) error {
	ends, err := b.settledEnds(ctx, topic)
	if err != nil {
		return err
	}
	left := map[int32]int64{}
	starts := map[int32]kgo.Offset{}
	for partition, end := range ends {
		if end > 0 {
			left[partition] = end
			starts[partition] = kgo.NewOffset().AtStart()
		}
	}
	if len(left) == 0 {
		return nil
	}
	opts, err := cluster.Config{Brokers: b.kafka.Bootstrap()}.Franz()
	if err != nil {
		return err
	}
	// Control records are kept, since a topic may end in a transaction's marker.
	reader, err := kgo.NewClient(append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}))...)
	if err != nil {
		return err
	}
	defer reader.Close()
	for len(left) > 0 {
		ctx, cancel := context.WithTimeout(ctx, patience)
		fetches := reader.PollFetches(ctx)
		cancel()
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read %s: %w", topic, err)
		}
		var fault error
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if fault == nil && !r.Attrs.IsControl() {
				fault = each(r)
			}
		})
		if fault != nil {
			return fmt.Errorf("read %s: %w", topic, fault)
		}
	}
	return nil
}
