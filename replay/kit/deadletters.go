package kit

import (
	"context"
	"sync"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/topology"
)

// DeadLetters says which commands were set aside: by aggregate type, and the command's partition
// and offset. It is safe for concurrent use.
type DeadLetters struct {
	mu  sync.Mutex
	all map[string][]map[int64]bool
}

// Has reports whether a command was set aside.
func (l *DeadLetters) Has(aggregate string, partition int32, offset int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[aggregate][partition][offset]
}

// ReadDeadLetters reads which commands were set aside, between the offsets.
func (r *Reader) ReadDeadLetters(ctx context.Context, starts, ends Offsets) (*DeadLetters, error) {
	l := &DeadLetters{all: map[string][]map[int64]bool{}}
	for _, a := range r.Config.Topology.Aggregates {
		l.all[a.Name] = make([]map[int64]bool, r.Config.Settings.Partitions)
		for p := range l.all[a.Name] {
			l.all[a.Name][p] = map[int64]bool{}
		}
	}
	return l, r.EachPartition(ctx, func(ctx context.Context, log *Log, a *topology.AggregateSpec, p int32) error {
		topic := r.Names.DeadLetters(r.Names.Group(a.Name))
		for letter, err := range log.Records(ctx, starts.Span(topic, p, ends)) {
			if err != nil {
				return err
			}
			partition, offset, ok := PlaceIn(letter, codecs.HeaderDeadLetterPartition, codecs.HeaderDeadLetterOffset)
			if ok && int(partition) < len(l.all[a.Name]) {
				l.mu.Lock()
				l.all[a.Name][partition][offset] = true
				l.mu.Unlock()
			}
		}
		return nil
	})
}
