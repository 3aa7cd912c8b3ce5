package views

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
)

// ErrMoved is wrapped by errors about offsets that a log does not have (any more): retention
// removed them, or the topic was created anew.
var ErrMoved = errMoved

// Log reads partitions as the replicas do: committed records only, and by position, so that the end
// of a partition is reached behind markers, aborted records and holes from compaction, too. It is
// for whoever reads history once. It is safe for concurrent use, but a broker answers one Log's
// requests one after another.
type Log struct{ client *kgo.Client }

// LogPart is what one fetch brought of a partition.
type LogPart struct {
	// Records are committed ones, in order.
	Records []*kgo.Record
	// Next is the offset up to which everything was read.
	Next int64
	// Waits says that an open transaction holds back what comes next.
	Waits bool
}

// OpenLog connects. Follow it with [Log.Close].
func OpenLog(c cluster.Config) (*Log, error) {
	c.EnsureDefaults()
	client, err := newFetchClient(c)
	if err != nil {
		return nil, err
	}
	return &Log{client: client}, nil
}

// Close ends the connections.
func (l *Log) Close() { l.client.Close() }

// Read calls deliver with what a partition has from one offset up to another, part by part, from
// the calling goroutine, while the next part is being fetched. Open transactions before the end are
// waited for, as long as ctx allows. It fails with [ErrMoved], with deliver's error, and for any
// trouble with the cluster; then it may be called again with the last part's Next.
func (l *Log) Read(ctx context.Context, topic string, partition int32, from, to int64, deliver func(LogPart) error) error {
	reader, err := newLogReader(l.client, topic)
	if err != nil {
		return err
	}
	return reader.read(ctx, map[int32]int64{partition: from}, map[int32]int64{partition: to}, func(round []chunk) error {
		var all []error
		for _, c := range round {
			all = append(all, deliver(LogPart{Records: c.records, Next: min(c.next, to), Waits: c.waits}))
		}
		return errors.Join(all...)
	})
}
