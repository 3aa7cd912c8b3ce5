package views

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/gokashell"
	"github.com/foldlog/foldlog/topology"
)

const (
	// tailWait is how long a broker may hold a fetch for which it has nothing.
	tailWait = 250 * time.Millisecond
	// tailBytes bounds what a broker sends of a partition at once.
	tailBytes = 512 << 10
)

// tail follows the log with a Goka view from the end of the restore, until ctx ends (nil) or the
// connection is lost.
//
// It does without WithViewAutoReconnect. That would go on with another log after the topic was
// re-created, and would skip the check of the store that every attempt begins with. The view ends
// at the first error instead, and the next attempt makes a new one.
//
// Each view has a sarama client of its own: a broker answers the requests of one connection in
// order, so on a shared one an idle view's fetch would hold up another view's records.
func (r *replica) tail(ctx context.Context) error {
	config, err := r.consumerConfig()
	if err != nil {
		return err
	}
	var consumer sarama.Consumer
	view, err := goka.NewView(r.cluster.Brokers, goka.Table(r.topic), codecs.Raw{},
		goka.WithViewHasher(topology.Hasher),
		goka.WithViewLogger(gokashell.Log(func(line string) { r.log.Info(line, "by", "goka") })),
		goka.WithViewStorageBuilder(func(_ string, p int32) (storage.Storage, error) {
			// open since before the restore; the callback below writes rows and position together
			opened := func() error { return nil }
			return &gokashell.Storage{Opened: opened, Reached: func() int64 { return r.position(p) }}, nil
		}),
		goka.WithViewTopicManagerBuilder(func([]string) (goka.TopicManager, error) {
			return gokashell.Topics{Count: r.partitions, Reached: r.position}, nil
		}),
		goka.WithViewConsumerSaramaBuilder(func(brokers []string, _ string) (sarama.Consumer, error) {
			consumer, err = sarama.NewConsumer(brokers, config)
			return consumer, err
		}),
		goka.WithViewCallback(func(u goka.UpdateContext, _ storage.Storage, key string, value []byte) error {
			headers := u.Headers()
			named := func(name string) []byte {
				if v, ok := headers[name]; ok {
					return present(v)
				}
				return nil
			}
			return r.apply(ctx, record{
				partition: u.Partition(), offset: u.Offset(), key: key, value: value,
				progress: named(codecs.HeaderProgress), cause: named(codecs.HeaderCause), chain: named(codecs.HeaderChain),
			})
		}),
	)
	if consumer != nil {
		defer func() { _ = consumer.Close() }() // the view does not
	}
	if err != nil {
		return fmt.Errorf("view of %s: %w", r.topic, err)
	}

	beside, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	if r.whileTailing != nil {
		wait.Go(func() { r.whileTailing(beside) })
	}
	err = view.Run(ctx)
	stop()
	wait.Wait()
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("view of %s: %w", r.topic, err)
	}
	return fmt.Errorf("view of %s: it ended without an error", r.topic)
}

// consumerConfig returns the configuration of a consumer that brings a record at once.
//
// Fetch.Min is 1 byte, so MaxWaitTime is only how long an idle fetch rests at the broker. It also
// bounds how long closing takes. The other waiting timers of sarama's consumer are the 100 ms for
// which it collects new subscriptions, once at the start and whenever a partition is slower than
// MaxProcessingTime: hence that is long. Patience with a broker that is away is the replica's,
// hence it is short here.
func (r *replica) consumerConfig() (*sarama.Config, error) {
	config, err := r.cluster.Sarama()
	if err != nil {
		return nil, err
	}
	config.ClientID = config.ClientID + "-view"
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	config.Consumer.Return.Errors = true // else a partition that ended would not end its view
	config.Consumer.Fetch.Min = 1
	config.Consumer.Fetch.Default = tailBytes
	config.Consumer.MaxWaitTime = tailWait
	config.Consumer.MaxProcessingTime = time.Minute
	config.Metadata.Full = false
	config.Metadata.Retry.Max = 2
	config.Metadata.Retry.Backoff = 250 * time.Millisecond
	config.Net.DialTimeout = 5 * time.Second
	config.Net.ReadTimeout = 10 * time.Second // a frozen broker; well above MaxWaitTime
	return config, nil
}
