package exactlyonce

import (
	"errors"
	"fmt"
	"hash"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"

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
		goka.WithLogger(gokaLog{e.log}),
		goka.WithPartitionChannelSize(1),
		goka.WithTopicManagerBuilder(func([]string) (goka.TopicManager, error) { return topics{e}, nil }),
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
}

func (e *engine) storage(partition int32) (storage.Storage, error) {
	l := e.current.Load().lanes[partition]
	if l == nil {
		return nil, fmt.Errorf("partition %d is not assigned", partition)
	}
	return &facade{lane: l}, nil
}

var errNotOurs = errors.New("this is not Goka's to do: the exactly-once engine does it")

// facade is a lane's store as Goka sees it: opening it restores it, and then it is complete.
type facade struct{ lane *lane }

func (f *facade) Open() error { return f.lane.open(f.lane.gen.ctx) }

// Close does nothing: the store is closed after the lane's last batch is committed, which is after
// Goka's own cleanup.
func (f *facade) Close() error                                               { return nil }
func (f *facade) GetOffset(int64) (int64, error)                             { return f.lane.reached.Load() - 1, nil }
func (f *facade) MarkRecovered() error                                       { return nil }
func (f *facade) Has(string) (bool, error)                                   { return false, errNotOurs }
func (f *facade) Get(string) ([]byte, error)                                 { return nil, errNotOurs }
func (f *facade) Set(string, []byte) error                                   { return errNotOurs }
func (f *facade) Delete(string) error                                        { return errNotOurs }
func (f *facade) SetOffset(int64) error                                      { return errNotOurs }
func (f *facade) Iterator() (storage.Iterator, error)                        { return nil, errNotOurs }
func (f *facade) IteratorWithRange([]byte, []byte) (storage.Iterator, error) { return nil, errNotOurs }

// topics answers Goka's questions about topics. Topics are created and verified elsewhere.
type topics struct{ *engine }

func (t topics) EnsureTableExists(string, int) error                         { return nil }
func (t topics) EnsureStreamExists(string, int) error                        { return nil }
func (t topics) EnsureTopicExists(string, int, int, map[string]string) error { return nil }
func (t topics) Close() error                                                { return nil }

// Partitions returns the partitions that all topics of a group have.
func (t topics) Partitions(string) ([]int32, error) {
	all := make([]int32, t.group.Partitions)
	for i := range all {
		all[i] = int32(i)
	}
	return all, nil
}

// GetOffset returns the place that the restore reached as the newest offset, so that Goka finds
// nothing left to recover. Its own recovery would wait for ever for a record behind the marker of
// the last transaction.
func (t topics) GetOffset(_ string, partition int32, time int64) (int64, error) {
	l := t.current.Load().lanes[partition]
	if time == sarama.OffsetOldest || l == nil {
		return 0, nil
	}
	return l.reached.Load(), nil
}

// noProducer refuses: records are written in transactions alone.
type noProducer struct{}

func (noProducer) Emit(topic, key string, value []byte) *goka.Promise {
	return noProducer{}.EmitWithHeaders(topic, key, value, nil)
}

func (noProducer) EmitWithHeaders(string, string, []byte, goka.Headers) *goka.Promise {
	promise, finish := goka.NewPromiseWithFinisher()
	finish(nil, errNotOurs)
	return promise
}

func (noProducer) Close() error { return nil }

// noConsumer is the consumer for tables and joins, which Goka never uses here.
type noConsumer struct{ sarama.Consumer }

func (noConsumer) ConsumePartition(string, int32, int64) (sarama.PartitionConsumer, error) {
	return nil, errNotOurs
}
func (noConsumer) HighWaterMarks() map[string]map[int32]int64 { return nil }
func (noConsumer) Close() error                               { return nil }

// readOnly allows Goka's context only to name the token.
type readOnly struct{ gokaContext }

// gokaContext has another name because the interface has a method called Context.
type gokaContext = goka.Context

func (readOnly) DeferCommit() func(error)                             { panic(errNotOurs) }
func (readOnly) Emit(goka.Stream, string, any, ...goka.ContextOption) { panic(errNotOurs) }
func (readOnly) SetValue(any, ...goka.ContextOption)                  { panic(errNotOurs) }
func (readOnly) Delete(...goka.ContextOption)                         { panic(errNotOurs) }
func (readOnly) Loopback(string, any, ...goka.ContextOption)          { panic(errNotOurs) }

// token is the codec of messages without a value.
type token struct{}

func (token) Encode(any) ([]byte, error) { return nil, errNotOurs }
func (token) Decode([]byte) (any, error) { return nil, nil }

// gokaLog sends Goka's lines to the log, as details.
type gokaLog struct {
	log interface{ Debug(string, ...any) }
}

func (l gokaLog) Print(args ...any)                 { l.log.Debug(fmt.Sprint(args...)) }
func (l gokaLog) Println(args ...any)               { l.log.Debug(fmt.Sprint(args...)) }
func (l gokaLog) Printf(format string, args ...any) { l.log.Debug(fmt.Sprintf(format, args...)) }
