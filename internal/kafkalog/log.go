package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
)

// ErrMoved is wrapped by errors about offsets that a log does not have (any more): retention
// removed them, or the topic was created anew.
var ErrMoved = errors.New("the log does not have the offset any more")

// Log reads ranges of partitions. It is safe for concurrent use, but a broker answers the requests
// of one connection in order, and holds a fetch if it has no records for it. So a Log shares its
// connections with nobody, and a caller that reads much at once opens several.
type Log struct {
	client *kgo.Client
}

// Part is the result of one fetch of a partition.
type Part struct {
	Partition int32
	// Records are committed ones, in order. The last ones may lie behind the end of the read. A
	// batch that cannot be read is a placeholder ([cluster.Placeholder]).
	Records []*kgo.Record
	// Next is the offset up to which everything was read.
	Next int64
	// Waits says that an open transaction holds back the records before the end.
	Waits bool
}

// Open connects. Follow it with [Log.Close].
func Open(c cluster.Config) (*Log, error) {
	c.EnsureDefaults()
	opts, err := c.Franz()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(opts, kgo.ClientID(c.ClientID+"-log"))...)
	if err != nil {
		return nil, fmt.Errorf("kafka client to read logs: %w", err)
	}
	return &Log{client: client}, nil
}

// Close ends the connections.
func (l *Log) Close() { l.client.Close() }

// Read reads a partition from one offset up to another. It calls deliver with part after part, from
// the calling goroutine, while the next part is being fetched. It waits for open transactions
// before the end, as long as ctx allows. It fails with [ErrMoved], with deliver's error, and for
// any trouble with the cluster. Then it may be called again with the last part's Next.
func (l *Log) Read(ctx context.Context, topic string, partition int32, from, to int64, deliver func(Part) error) error {
	return l.ReadTopic(ctx, topic, map[int32]int64{partition: from}, map[int32]int64{partition: to}, func(round []Part) error {
		var all []error
		for _, part := range round {
			part.Next = min(part.Next, to)
			all = append(all, deliver(part))
		}
		return errors.Join(all...)
	})
}

// ReadTopic is [Log.Read] for several partitions at once: each partition of from up to the end that
// to has for it. A part's Next may lie behind its end.
func (l *Log) ReadTopic(ctx context.Context, topic string, from, to map[int32]int64, deliver func([]Part) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &reading{log: l, topic: topic, to: to, parts: make(chan []Part, 1)}
	failed := make(chan error, 1)
	go func() {
		defer close(r.parts)
		failed <- r.run(ctx, maps.Clone(from))
	}()
	for round := range r.parts {
		if err := deliver(round); err != nil {
			cancel()
			for range r.parts {
			}
			return err
		}
	}
	return <-failed
}
