package main

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/exactlyonce"
	"github.com/foldlog/foldlog/processors/step"
)

// runExactlyOnce is our engine as the product runs it.
func runExactlyOnce(ctx context.Context, t task) error {
	r, err := exactlyonce.New(t.group(), exactlyonce.Config{
		Cluster: cluster.Config{Brokers: t.Brokers}, DataDir: t.Dir, Instance: cmp.Or(t.Instance, "bench"), SessionTimeout: stallSession, TransactionsV1: t.Peer != ours, Logger: warnings(), FlushInterval: time.Second,
		Metrics: exactlyonce.Metrics{Restored: func(s exactlyonce.RestoreStats) {
			now := time.Now()
			say(eventRestoreBegin, now.Add(-s.Took))
			say(eventRestoreEnd, now)
		}},
	})
	if err != nil {
		return err
	}
	go sayWhenRecovered(ctx, r.Recovered)
	return r.Run(ctx)
}

func warnings() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// group is the workload as a group of ours.
func (t task) group() step.Group {
	return step.Group{
		Name: t.Group, Input: t.Input, Partitions: t.Partitions, Outputs: []string{t.Events, t.Outcomes}, DeadLetters: t.DeadLetters,
		Table:  &step.Table{Topic: t.Table, Decode: func(_ context.Context, value []byte) (any, error) { return parseRow(value) }},
		Handle: t.handle,
	}
}

func (t task) handle(ctx context.Context, in *record.Record, memory step.Memory) (step.Step, error) {
	var before row
	have, err := memory.Row(ctx)
	if err != nil {
		return step.Step{}, err
	}
	if have != nil {
		before = have.(row)
	}
	d, err := decide(before, in.Value, t.EventsPerCommand)
	if err != nil {
		return step.Step{}, err
	}
	records := make([]record.Record, 0, t.EventsPerCommand+1)
	for _, event := range d.events {
		records = append(records, record.Record{Topic: t.Events, Key: in.Key, Value: event})
	}
	records = append(records, record.Record{Topic: t.Outcomes, Key: in.Key, Value: d.outcome})
	return step.Step{Row: &step.Row{Value: d.row, Encoded: d.encoded}, Records: records}, nil
}
