package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/kafkatest"
	"github.com/foldlog/foldlog/topology"
)

// brokerHeapMB is ample for one broker with these loads.
const brokerHeapMB = 1024

// site is the brokers under the peers, and where their data are.
type site struct {
	kafka      *kafkatest.Kafka
	client     *kgo.Client
	admin      *kadm.Client
	dir        string
	brokers    int
	partitions int
	streams    streamsOptions
	runs       atomic.Int64
	preloaded  map[workload]string // topics with commands
}

func openSite(ctx context.Context, s settings, brokers int) (*site, error) {
	dir, err := os.MkdirTemp(s.Dir, "foldlog-bench-")
	if err != nil {
		return nil, err
	}
	b := &site{dir: dir, brokers: brokers, partitions: s.Partitions, streams: s.Streams, preloaded: map[workload]string{}}
	properties := map[string]string{}
	if brokers > 1 {
		properties = kafkatest.FastDetection()
	}
	b.kafka, err = kafkatest.StartKafka(ctx, kafkatest.KafkaConfig{
		Brokers: brokers, Properties: properties, LongRun: true, HeapMB: brokerHeapMB, Dir: filepath.Join(dir, "kafka"), Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	opts, err := cluster.Config{Brokers: b.kafka.Bootstrap()}.Franz()
	if err == nil {
		b.client, err = kgo.NewClient(append(opts, kgo.MaxBufferedRecords(1<<18), kgo.MetadataMinAge(50*time.Millisecond))...)
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	b.admin = kadm.NewClient(b.client)
	return b, nil
}

func (b *site) close() error {
	if b.client != nil {
		b.client.Close()
	}
	var err error
	if b.kafka != nil {
		err = b.kafka.Close()
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

// brokerCPU is what the brokers have computed so far.
func (b *site) brokerCPU() (time.Duration, error) {
	var sum time.Duration
	for _, node := range b.kafka.Nodes() {
		usage, err := b.kafka.Usage(node.ID)
		if err != nil {
			return 0, err
		}
		sum += usage.CPU
	}
	return sum, nil
}

// create makes topics and waits until the brokers' metadata know them.
func (b *site) create(ctx context.Context, compacted bool, topics ...string) error {
	config := map[string]*string{"max.message.bytes": kadm.StringPtr(strconv.Itoa(topology.MaxBatchBytes))}
	if compacted {
		config["cleanup.policy"] = kadm.StringPtr("compact")
	}
	created, err := b.admin.CreateTopics(ctx, int32(b.partitions), int16(b.brokers), config, topics...)
	if err == nil {
		err = created.Error()
	}
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	err = poll(ctx, 20*time.Millisecond, patience, func() (bool, error) { return b.known(ctx, topics) })
	if err != nil {
		return fmt.Errorf("wait for new topics: %w", err)
	}
	return nil
}

// known reports whether every broker knows the topics and who leads them.
func (b *site) known(ctx context.Context, topics []string) (bool, error) {
	for _, broker := range b.client.DiscoveredBrokers() {
		req := kmsg.NewPtrMetadataRequest()
		for _, name := range topics {
			topic := kmsg.NewMetadataRequestTopic()
			topic.Topic = kmsg.StringPtr(name)
			req.Topics = append(req.Topics, topic)
		}
		answer, err := broker.RetriableRequest(ctx, req)
		if err != nil {
			return false, err
		}
		for _, t := range answer.(*kmsg.MetadataResponse).Topics {
			led := !slices.ContainsFunc(t.Partitions, func(p kmsg.MetadataResponseTopicPartition) bool { return p.Leader < 0 })
			if t.ErrorCode != 0 || len(t.Partitions) != b.partitions || !led {
				return false, nil
			}
		}
	}
	return true, nil
}

// newTask makes fresh topics for a run of a peer. Without an input it gets one of its own, which is
// empty.
func (b *site) newTask(ctx context.Context, p peer, input string, eventsPerCommand int) (task, error) {
	group := fmt.Sprintf("bench-%d-%s", b.runs.Add(1), p.name)
	t := task{
		Brokers: b.kafka.Bootstrap(), Group: group, Input: input, Events: group + ".events", Outcomes: group + ".outcomes",
		Table: p.changelog(group), DeadLetters: group + ".dead-letters", Partitions: b.partitions, EventsPerCommand: eventsPerCommand,
		Dir: filepath.Join(b.dir, group), Streams: b.streams,
	}
	topics := []string{t.Events, t.Outcomes, t.DeadLetters}
	if input == "" {
		t.Input = group + ".commands"
		topics = append(topics, t.Input)
	}
	return t, errors.Join(b.create(ctx, false, topics...), b.create(ctx, true, t.Table))
}

// drop removes what a run leaves behind.
func (b *site) drop(ctx context.Context, t task) error {
	topics := []string{t.Events, t.Outcomes, t.DeadLetters, t.Table}
	if t.Input == t.Group+".commands" {
		topics = append(topics, t.Input)
	}
	_, err := b.admin.DeleteTopics(ctx, topics...)
	return errors.Join(err, os.RemoveAll(t.Dir))
}

// commands returns a topic with the workload's commands, written for the first that asks.
func (b *site) commands(ctx context.Context, w workload) (string, error) {
	w.EventsPerCommand = 0 // the commands are the same
	if topic, ok := b.preloaded[w]; ok {
		return topic, nil
	}
	topic := fmt.Sprintf("bench-commands-%d-%d", w.Commands, w.Keys)
	if err := b.create(ctx, false, topic); err != nil {
		return "", err
	}
	if err := w.send(ctx, b.client, topic, 0, w.Commands); err != nil {
		return "", err
	}
	b.preloaded[w] = topic
	return topic, nil
}

// forgetCommands deletes the topics of commands, which nobody needs any more.
func (b *site) forgetCommands(ctx context.Context) error {
	var all error
	for w, topic := range b.preloaded {
		_, err := b.admin.DeleteTopics(ctx, topic)
		all = errors.Join(all, err)
		delete(b.preloaded, w)
	}
	return all
}

// committed returns how many inputs the group is past.
func (b *site) committed(ctx context.Context, group string) (int, error) {
	offsets, err := b.admin.FetchOffsets(ctx, group)
	switch {
	case errors.Is(err, kerr.GroupIDNotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("offsets of %s: %w", group, err)
	}
	sum := 0
	offsets.Each(func(o kadm.OffsetResponse) { sum += int(max(o.At, 0)) })
	return sum, nil
}

// ended returns the sum of the end offsets of a topic. It counts markers of transactions, too.
func (b *site) ended(ctx context.Context, topic string) (int, error) {
	listed, err := b.admin.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("end of %s: %w", topic, err)
	}
	sum := 0
	listed.Each(func(o kadm.ListedOffset) { sum += int(o.Offset) })
	return sum, nil
}

// progress returns how many commands the peer has made take effect.
func (b *site) progress(ctx context.Context, p peer, t task) (int, error) {
	if p.transactional {
		return b.committed(ctx, t.Group)
	}
	return b.ended(ctx, t.Outcomes) // one for each command, and no markers
}
