package atleastonce

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/step"
	"github.com/foldlog/foldlog/topology"
)

// Config says where a group runs.
type Config struct {
	Cluster cluster.Config
	// DataDir holds a folder for each group.
	DataDir string
	Logger  *slog.Logger
}

// Runner runs one group. Run may be called once.
type Runner struct {
	group  step.Group
	config Config
	log    *slog.Logger

	producer *producer
	mu       sync.Mutex
	lanes    map[int32]*lane // of the current assignment
	goka     *goka.Processor
}

// New returns a runner for the group.
func New(group step.Group, config Config) *Runner {
	return &Runner{group: group, config: config, log: config.Logger.With("group", group.Name), lanes: map[int32]*lane{}}
}

// Recovered reports whether every assigned partition is restored and consuming.
func (r *Runner) Recovered() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.goka != nil && r.goka.Recovered()
}

// Status says in a few words what the group is doing.
func (r *Runner) Status() string {
	if r.Recovered() {
		return "running"
	}
	return "starting"
}

// Run consumes until ctx ends, and then returns nil once all that was begun is acknowledged. Any error means that the
// group stopped; a new runner can continue where it left off.
func (r *Runner) Run(ctx context.Context) error {
	var err error
	if r.producer, err = newProducer(r.config.Cluster); err != nil {
		return err
	}
	defer r.producer.Close() // it flushes and never fails
	processor, err := r.build()
	if err != nil {
		return fmt.Errorf("start group %s: %w", r.group.Name, err)
	}
	r.mu.Lock()
	r.goka = processor
	r.mu.Unlock()
	if err := processor.Run(ctx); err != nil {
		return fmt.Errorf("group %s stopped: %w", r.group.Name, err)
	}
	return nil
}

func (r *Runner) build() (*goka.Processor, error) {
	saramaConfig, err := r.config.Cluster.Sarama()
	if err != nil {
		return nil, err
	}
	saramaConfig.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{goka.CopartitioningStrategy}
	topics := goka.NewTopicManagerConfig()
	topics.NoCreate = true

	edges := []goka.Edge{goka.Input(goka.Stream(r.group.Input), rawCodec{}, r.consume)}
	for _, output := range append([]string{r.group.DeadLetters}, r.group.Outputs...) {
		if output != r.group.Input {
			edges = append(edges, goka.Output(goka.Stream(output), rawCodec{}))
		}
	}
	if r.group.Table != nil {
		edges = append(edges, goka.Persist(rawCodec{}))
	}
	dir := filepath.Join(r.config.DataDir, "at-least-once", r.group.Name)
	// Goka changes the configuration that it is given, so each builder gets its own copy.
	own := func() *sarama.Config { c := *saramaConfig; return &c }
	return goka.NewProcessor(r.config.Cluster.Brokers, goka.DefineGroup(goka.Group(r.group.Name), edges...),
		goka.WithHasher(topology.Hasher),
		goka.WithNilHandling(goka.NilProcess),
		goka.WithClientID(saramaConfig.ClientID),
		goka.WithLogger(gokaLogger{r.log}),
		goka.WithTopicManagerBuilder(goka.TopicManagerBuilderWithConfig(own(), topics)),
		goka.WithConsumerSaramaBuilder(goka.SaramaConsumerBuilderWithConfig(own())),
		goka.WithConsumerGroupBuilder(steadyGroupBuilder(own())),
		goka.WithProducerBuilder(r.producer.builder()),
		goka.WithStorageBuilder(storeBuilder(dir, r.config.Cluster, r.log)),
		goka.WithUpdateCallback(restoreRow),
		goka.WithRebalanceCallback(func(goka.Assignment) { r.forget() }),
	)
}

// forget drops what is known of partitions: after a rebalance another instance may have written to them.
func (r *Runner) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lanes = map[int32]*lane{}
}

// lane returns the partition's lane, reading its index first where it is new.
func (r *Runner) lane(ctx context.Context, partition int32) (*lane, error) {
	r.mu.Lock()
	l := r.lanes[partition]
	r.mu.Unlock()
	if l != nil {
		return l, nil
	}
	l = newLane(r.group, partition, r.producer)
	if r.group.Index != nil {
		if err := l.loadIndex(ctx, r.config.Cluster); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	r.lanes[partition] = l
	r.mu.Unlock()
	return l, nil
}

// consume is Goka's callback for one input.
func (r *Runner) consume(ctx goka.Context, message any) {
	// Without a hold on the commit, Goka would commit an input whose step never happened.
	done := ctx.DeferCommit()
	in := inputOf(ctx, message)
	var (
		l *lane
		s step.Step
	)
	err := r.retry(ctx.Context(), in, func() (err error) {
		if l, err = r.lane(ctx.Context(), in.Partition); err != nil {
			return err
		}
		s, err = r.group.Handle(ctx.Context(), in, memory{lane: l, context: ctx})
		return err
	})
	if err != nil {
		done(err)
		return
	}
	l.apply(ctx, s, done)
}

// retry calls f until it succeeds or ctx ends: an outage of the registry or the brokers is not the input's fault.
func (r *Runner) retry(ctx context.Context, in *record.Record, f func() error) error {
	const longest = 10 * time.Second
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, longest) {
		err := f()
		if err == nil {
			return nil
		}
		r.log.Warn("cannot handle an input yet, trying again", "topic", in.Topic, "partition", in.Partition, "offset", in.Offset, "in", wait, "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopped while an input could not be handled: %w", err)
		case <-time.After(wait):
		}
	}
}

func inputOf(ctx goka.Context, message any) *record.Record {
	in := &record.Record{
		Topic: string(ctx.Topic()), Partition: ctx.Partition(), Offset: ctx.Offset(), Key: []byte(ctx.Key()), Timestamp: ctx.Timestamp(),
	}
	if value, ok := message.([]byte); ok {
		in.Value = value
	}
	for key, value := range ctx.Headers() {
		in.Headers = append(in.Headers, record.Header{Key: key, Value: value})
	}
	return in
}

// memory lets a handler read the lane and Goka's table.
type memory struct {
	lane    *lane
	context goka.Context
}

func (m memory) Row(ctx context.Context) (any, error) {
	stored, ok := m.context.Value().([]byte)
	if !ok {
		return nil, nil
	}
	row, err := m.lane.group.Table.Decode(ctx, stored)
	if err != nil {
		return nil, fmt.Errorf("row %q of %s, partition %d: %w", m.context.Key(), m.lane.group.Table.Topic, m.lane.partition, err)
	}
	return row, nil
}

func (m memory) Lookup(_ context.Context, key string) (any, error) { return m.lane.index[key], nil }

// rawCodec passes bytes through: records are decoded where a failure can become a dead letter, not inside Goka, which would stop.
type rawCodec struct{}

func (rawCodec) Encode(value any) ([]byte, error) { return value.([]byte), nil }

func (rawCodec) Decode(data []byte) (any, error) { return data, nil }

// steadyGroupBuilder makes consumer groups that go into the next generation at once; Goka would sleep five seconds in between.
func steadyGroupBuilder(config *sarama.Config) goka.ConsumerGroupBuilder {
	build := goka.ConsumerGroupBuilderWithConfig(config)
	return func(brokers []string, group, clientID string) (sarama.ConsumerGroup, error) {
		g, err := build(brokers, group, clientID)
		if err != nil {
			return nil, err
		}
		return steadyGroup{g}, nil
	}
}

type steadyGroup struct{ sarama.ConsumerGroup }

func (g steadyGroup) Consume(ctx context.Context, topics []string, handler sarama.ConsumerGroupHandler) error {
	for {
		if err := g.ConsumerGroup.Consume(ctx, topics, handler); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// gokaLogger sends Goka's lines to the log, as details.
type gokaLogger struct{ log *slog.Logger }

func (l gokaLogger) Print(args ...any)                 { l.log.Debug(fmt.Sprint(args...)) }
func (l gokaLogger) Println(args ...any)               { l.log.Debug(fmt.Sprint(args...)) }
func (l gokaLogger) Printf(format string, args ...any) { l.log.Debug(fmt.Sprintf(format, args...)) }
