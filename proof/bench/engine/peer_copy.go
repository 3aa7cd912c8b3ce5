package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
)

// The bare loop gathers for a transaction for so long, or so many commands.
const (
	commitEvery = 100 * time.Millisecond
	commitAfter = 50_000
)

// runCopy is what Go can do at best with franz-go: a consume, transform, produce loop in
// transactions, with as many records as the others write (the last row of each key and transaction
// among them), and neither state nor thought.
func runCopy(ctx context.Context, t task) error {
	opts, err := cluster.Config{Brokers: t.Brokers}.Franz()
	if err != nil {
		return err
	}
	session, err := kgo.NewGroupTransactSession(append(opts,
		kgo.TransactionalID(t.Group),
		kgo.ConsumerGroup(t.Group), kgo.ConsumeTopics(t.Input), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.MaxBufferedRecords(1<<20), kgo.FetchMaxPartitionBytes(1<<20), kgo.FetchMaxBytes(16<<20),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { say(eventRunning, time.Now()) }),
	)...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	defer session.Close()
	for ctx.Err() == nil {
		if err := copyOnce(ctx, session, t); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// copyOnce is one transaction.
func copyOnce(ctx context.Context, session *kgo.GroupTransactSession, t task) error {
	if err := session.Begin(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	rows := map[string]*kgo.Record{}
	gathered := 0
	for deadline := time.Now().Add(commitEvery); gathered < commitAfter && time.Now().Before(deadline); {
		pollCtx, cancel := context.WithDeadline(ctx, deadline)
		fetches := session.PollFetches(pollCtx)
		cancel()
		if err := fetches.Err0(); err != nil && pollCtx.Err() == nil {
			return fmt.Errorf("fetch: %w", err)
		}
		gathered += fetches.NumRecords()
		fetches.EachRecord(func(in *kgo.Record) {
			for range t.EventsPerCommand {
				session.Produce(ctx, &kgo.Record{Topic: t.Events, Key: in.Key, Value: in.Value}, nil)
			}
			session.Produce(ctx, &kgo.Record{Topic: t.Outcomes, Key: in.Key, Value: in.Value}, nil)
			rows[string(in.Key)] = in
		})
	}
	for _, in := range rows {
		session.Produce(ctx, &kgo.Record{Topic: t.Table, Key: in.Key, Value: in.Value[:idBytes]}, nil)
	}
	if _, err := session.End(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	return nil
}
