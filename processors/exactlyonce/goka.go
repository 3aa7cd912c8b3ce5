package exactlyonce

import (
	"fmt"
	"hash"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"

	"github.com/foldlog/foldlog/internal/gokashell"
	"github.com/foldlog/foldlog/topology"
)

// Goka owns partitions, their goroutines, setup, clean-up and stop. Its public hooks replace its
// access to Kafka and the disk: it gets tokens instead of inputs, and its own producer, table,
// offsets and recovery are not used.

// processor returns Goka's processor for the group.
func (e *engine) processor() (*goka.Processor, error) {
	edges := []goka.Edge{goka.Input(goka.Stream(e.group.Input), token{}, e.callback)}
	if e.group.Table != nil {
		edges = append(edges, goka.Persist(token{}))
	}
	return goka.NewProcessor(e.config.Cluster.Brokers, goka.DefineGroup(goka.Group(e.group.Name), edges...),
		goka.WithHasher(topology.Hasher),
		goka.WithNilHandling(goka.NilProcess), // a token has no value
		goka.WithClientID(e.config.Cluster.ClientID),
		goka.WithLogger(gokashell.Log(func(line string) { e.log.Debug(line) })),
		goka.WithPartitionChannelSize(1),
		goka.WithTopicManagerBuilder(func([]string) (goka.TopicManager, error) {
			return gokashell.Topics{Count: e.group.Partitions, Reached: e.reached}, nil
		}),
		goka.WithConsumerSaramaBuilder(func([]string, string) (sarama.Consumer, error) { return noConsumer{}, nil }),
		goka.WithConsumerGroupBuilder(func([]string, string, string) (sarama.ConsumerGroup, error) {
			m, err := newMembership(e)
			if err != nil {
				e.fail(err) // Goka's own error loses its cause
			}
			return m, err
		}),
		goka.WithProducerBuilder(func([]string, string, func() hash.Hash32) (goka.Producer, error) { return noProducer{}, nil }),
		goka.WithStorageBuilder(func(_ string, partition int32) (storage.Storage, error) { return e.storage(partition) }),
		goka.WithContextWrapper(func(ctx goka.Context) goka.Context { return readOnly{ctx} }),
	)
}

// callback handles the carrier of a token.
func (e *engine) callback(ctx goka.Context, _ any) {
	g := e.current.Load()
	l := g.lanes[ctx.Partition()]
	c := l.inbox.take()
	if c == nil || c.first != ctx.Offset() {
		e.fail(failf(CauseOther, "partition %d: Goka brought the token of offset %d, but it is not next", ctx.Partition(), ctx.Offset()))
		return
	}
	l.carry(c)
	l.inbox.bytes.Add(-c.bytes)
	notify(l.inbox.taken)
}

// storage returns a lane's store as Goka sees it: opening it restores it, and then it is complete.
// It is closed after the lane's last batch is committed, which is after Goka's own cleanup.
func (e *engine) storage(partition int32) (storage.Storage, error) {
	l := e.current.Load().lanes[partition]
	if l == nil {
		return nil, fmt.Errorf("partition %d is not assigned", partition)
	}
	return &gokashell.Storage{Opened: func() error { return l.open(l.gen.ctx) }, Reached: l.reached.Load}, nil
}

// reached returns how far a partition is restored.
func (e *engine) reached(partition int32) int64 {
	if l := e.current.Load().lanes[partition]; l != nil {
		return l.reached.Load()
	}
	return 0
}

// noProducer refuses: records are written in transactions alone.
type noProducer struct{}

func (noProducer) Emit(topic, key string, value []byte) *goka.Promise {
	return noProducer{}.EmitWithHeaders(topic, key, value, nil)
}

func (noProducer) EmitWithHeaders(string, string, []byte, goka.Headers) *goka.Promise {
	promise, finish := goka.NewPromiseWithFinisher()
	finish(nil, gokashell.ErrRefused)
	return promise
}

func (noProducer) Close() error { return nil }

// noConsumer is the consumer for tables and joins, which Goka never uses here.
type noConsumer struct{ sarama.Consumer }

func (noConsumer) ConsumePartition(string, int32, int64) (sarama.PartitionConsumer, error) {
	return nil, gokashell.ErrRefused
}
func (noConsumer) HighWaterMarks() map[string]map[int32]int64 { return nil }
func (noConsumer) Close() error                               { return nil }

// readOnly allows Goka's context only to name the token.
type readOnly struct{ gokaContext }

// gokaContext has another name because the interface has a method called Context.
type gokaContext = goka.Context

func (readOnly) DeferCommit() func(error)                             { panic(gokashell.ErrRefused) }
func (readOnly) Emit(goka.Stream, string, any, ...goka.ContextOption) { panic(gokashell.ErrRefused) }
func (readOnly) SetValue(any, ...goka.ContextOption)                  { panic(gokashell.ErrRefused) }
func (readOnly) Delete(...goka.ContextOption)                         { panic(gokashell.ErrRefused) }
func (readOnly) Loopback(string, any, ...goka.ContextOption)          { panic(gokashell.ErrRefused) }

// token is the codec of messages without a value.
type token struct{}

func (token) Encode(any) ([]byte, error) { return nil, gokashell.ErrRefused }
func (token) Decode([]byte) (any, error) { return nil, nil }
