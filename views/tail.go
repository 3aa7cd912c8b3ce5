package views

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"

	"github.com/foldlog/foldlog/codecs"
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
		goka.WithViewLogger(gokaLogger{r.log}),
		goka.WithViewStorageBuilder(func(_ string, p int32) (storage.Storage, error) { return &gokaStorage{r, p}, nil }),
		goka.WithViewTopicManagerBuilder(func([]string) (goka.TopicManager, error) { return &gokaTopics{r}, nil }),
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
		defer consumer.Close() // the view does not
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

// gokaTopics tells Goka's view what the restore reached: it has nothing to recover. Everything else
// about topics is ours.
type gokaTopics struct{ r *replica }

var errNotOurs = errors.New("views do not manage topics through Goka")

func (t *gokaTopics) EnsureTableExists(string, int) error  { return errNotOurs }
func (t *gokaTopics) EnsureStreamExists(string, int) error { return errNotOurs }
func (t *gokaTopics) EnsureTopicExists(string, int, int, map[string]string) error {
	return errNotOurs
}
func (t *gokaTopics) Close() error { return nil }

func (t *gokaTopics) Partitions(string) ([]int32, error) {
	all := make([]int32, t.r.partitions)
	for p := range all {
		all[p] = int32(p)
	}
	return all, nil
}

func (t *gokaTopics) GetOffset(_ string, p int32, _ int64) (int64, error) {
	return t.r.position(p), nil
}

// gokaStorage is a partition of the store as Goka's view needs it: where to go on. Rows are written
// by the update callback, together with the position, and read through [Table], so nothing else is
// asked of it.
type gokaStorage struct {
	r         *replica
	partition int32
}

var errReadElsewhere = errors.New("views are not read through Goka")

func (s *gokaStorage) GetOffset(int64) (int64, error) { return s.r.position(s.partition) - 1, nil }

// SetOffset has nothing to do: the callback wrote the position with the record.
func (s *gokaStorage) SetOffset(int64) error { return nil }

func (s *gokaStorage) Open() error                { return nil } // open since before the restore
func (s *gokaStorage) Close() error               { return nil } // it outlives the Goka view
func (s *gokaStorage) MarkRecovered() error       { return nil }
func (s *gokaStorage) Has(string) (bool, error)   { return false, errReadElsewhere }
func (s *gokaStorage) Get(string) ([]byte, error) { return nil, errReadElsewhere }
func (s *gokaStorage) Set(string, []byte) error   { return errReadElsewhere }
func (s *gokaStorage) Delete(string) error        { return errReadElsewhere }
func (s *gokaStorage) Iterator() (storage.Iterator, error) {
	return nil, errReadElsewhere
}
func (s *gokaStorage) IteratorWithRange(_, _ []byte) (storage.Iterator, error) {
	return nil, errReadElsewhere
}

// gokaLogger takes what Goka prints into the log.
type gokaLogger struct{ log *slog.Logger }

func (l gokaLogger) Print(args ...any)   { l.log.Info(fmt.Sprint(args...), "by", "goka") }
func (l gokaLogger) Println(args ...any) { l.log.Info(fmt.Sprint(args...), "by", "goka") }
func (l gokaLogger) Printf(format string, args ...any) {
	l.log.Info(fmt.Sprintf(format, args...), "by", "goka")
}
