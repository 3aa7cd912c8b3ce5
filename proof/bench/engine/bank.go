package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	domain "github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/kafkatest"
	"github.com/foldlog/foldlog/processors"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

// accounts is the bank with nothing but its accounts: commands in, events with their chain,
// outcomes, states and the index of command ids, all in Avro.
func accounts(prefix string, partitions int) (*topology.Topology, topology.Settings) {
	t := domain.Topology()
	t.Aggregates = []*topology.AggregateSpec{t.Aggregate(domain.AccountAggregate)}
	t.Policies, t.Projections = nil, nil
	s := topology.Settings{Prefix: prefix, Partitions: partitions, ReplicationFactor: 1, MinISR: 1}
	s.EnsureDefaults()
	return t, s
}

func bankCodecs(ctx context.Context, t *topology.Topology, s topology.Settings, registry string, log *slog.Logger) (*codecs.Codecs, error) {
	set, err := schemas.Load(bankschemas.Files, domain.Topology()) // all files are the whole bank's
	if err != nil {
		return nil, err
	}
	return codecs.New(ctx, t, s.Names(), set, schemas.New(schemas.Config{URL: registry}, log), log)
}

// runBank is the product's own processors. The task's group is the prefix of all names.
func runBank(ctx context.Context, t task) error {
	top, s := accounts(t.Group, t.Partitions)
	c, err := bankCodecs(ctx, top, s, t.Registry, warnings())
	if err != nil {
		return err
	}
	p, err := processors.New(processors.Config{
		Topology: top, Settings: s, Codecs: c, Cluster: cluster.Config{Brokers: t.Brokers}, DataDir: t.Dir, Instance: "bench", Logger: warnings(),
		Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		return err
	}
	go sayWhenRecovered(ctx, func() bool { return p.Ready() == nil })
	return p.Run(ctx)
}

// bankCommand is command i: accounts are opened first, and then get deposits.
func (w workload) bankCommand(i int) foldlog.Command[any] {
	key, data := i, any(account.Open{HolderID: "bench", HolderName: "bench", Currency: "EUR"})
	if i >= w.Keys {
		key, data = w.keyOf(i), account.Deposit{Amount: amountOf(i), Currency: "EUR", Reference: "rent"}
	}
	return foldlog.Command[any]{Meta: foldlog.Meta{AggregateID: string(keyText(key)), CommandID: fmt.Sprintf("c%010d", i), Actor: "bench"}, Data: data}
}

// measureBank runs the bank's accounts over so many commands.
func (b *site) measureBank(ctx context.Context, w workload, profile string) (_ throughput, err error) {
	registry, err := kafkatest.StartRegistry(ctx, kafkatest.RegistryConfig{Dir: filepath.Join(b.dir, fmt.Sprintf("registry-%d", b.runs.Add(1)))})
	if err != nil {
		return throughput{}, err
	}
	defer func() { err = errors.Join(err, registry.Close()) }()
	p := bankPeer()
	prefix := fmt.Sprintf("bench-%d-", b.runs.Add(1))
	top, s := accounts(prefix, b.partitions)
	names := s.Names()
	if _, err := cluster.EnsureTopics(ctx, cluster.Config{Brokers: b.kafka.Bootstrap()}, top, s); err != nil {
		return throughput{}, err
	}
	c, err := bankCodecs(ctx, top, s, registry.URL(), slog.New(slog.DiscardHandler))
	if err != nil {
		return throughput{}, err
	}
	codec := c.Aggregate(domain.AccountAggregate)
	var fault error
	err = produceAll(ctx, b.client, w.Commands, func(i int) *kgo.Record {
		cmd := w.bankCommand(i)
		value, err := codec.EncodeCommand(cmd)
		fault = errors.Join(fault, err)
		return &kgo.Record{Topic: names.Commands(domain.AccountAggregate), Key: []byte(cmd.AggregateID), Value: value}
	})
	if err = errors.Join(err, fault); err != nil {
		return throughput{}, err
	}
	t := task{Brokers: b.kafka.Bootstrap(), Registry: registry.URL(), Group: prefix, Partitions: b.partitions, Dir: filepath.Join(b.dir, prefix+bank), Profile: profile}
	process, err := startChild(p, t)
	if err != nil {
		return throughput{}, err
	}
	defer func() { _ = process.Close() }()
	group := names.Group(domain.AccountAggregate)
	half, end, whole, err := b.follow(ctx, process, w.Commands, func() (int, error) { return b.committed(ctx, group) })
	if err != nil {
		return throughput{}, err
	}
	if err := process.stop(ctx); err != nil { // the profile is whole then
		return throughput{}, err
	}
	figures := throughput{Peer: p.name, Commands: w.Commands, Keys: w.Keys, Whole: whole, MemoryMB: end.memory >> 20}
	figures.PerSecond, figures.AppCPU, figures.BrokerCPU = half.between(end)
	accepted := 0
	err = b.readAll(ctx, names.Outcomes(domain.AccountAggregate), func(r *kgo.Record) error {
		outcome, err := codec.DecodeOutcome(ctx, r.Value)
		if err != nil {
			return err
		}
		if r := outcome.Rejection(); r != nil {
			return fmt.Errorf("command %s of %s was rejected: %w", outcome.CommandID, outcome.AggregateID, r)
		}
		accepted++
		return nil
	})
	if err == nil && accepted != w.Commands {
		err = fmt.Errorf("%d outcomes for %d commands", accepted, w.Commands)
	}
	if err != nil {
		return throughput{}, fmt.Errorf("what the bank wrote: %w", err)
	}
	for _, topic := range top.Topics(s) {
		if _, err := b.admin.DeleteTopic(ctx, topic.Name); err != nil {
			return throughput{}, err
		}
	}
	return figures, nil
}
