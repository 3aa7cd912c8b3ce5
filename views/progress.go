package views

import (
	"context"
	"sync"

	"github.com/foldlog/foldlog"
)

// source is one partition of the command log that rows follow from.
type source struct {
	aggregate string
	partition int32
}

// progress holds, for each partition of a table, the command of each source up to which its rows
// are complete. It is safe for concurrent use.
type progress struct{ partitions []*partitionProgress }

type partitionProgress struct {
	mu      sync.Mutex
	reached map[source]int64
	changed chan struct{} // closed at the next change; nil while nobody waits
}

func newProgress(partitions int) *progress {
	p := &progress{}
	for range partitions {
		p.partitions = append(p.partitions, &partitionProgress{reached: map[source]int64{}})
	}
	return p
}

// advance notes that the partition has everything from the source up to offset. It never goes back.
func (p *progress) advance(partition int32, from source, offset int64) {
	part := p.partitions[partition]
	part.mu.Lock()
	defer part.mu.Unlock()
	if have, ok := part.reached[from]; ok && have >= offset {
		return
	}
	part.reached[from] = offset
	part.broadcast()
}

// reset forgets everything and wakes all who wait.
func (p *progress) reset() {
	for _, part := range p.partitions {
		part.mu.Lock()
		clear(part.reached)
		part.broadcast()
		part.mu.Unlock()
	}
}

// wake makes all who wait look again.
func (p *progress) wake() {
	for _, part := range p.partitions {
		part.mu.Lock()
		part.broadcast()
		part.mu.Unlock()
	}
}

func (part *partitionProgress) broadcast() {
	if part.changed != nil {
		close(part.changed)
		part.changed = nil
	}
}

// reached returns the highest offset of the source that the partition has.
func (p *progress) reached(partition int32, from source) (int64, bool) {
	part := p.partitions[partition]
	part.mu.Lock()
	defer part.mu.Unlock()
	offset, ok := part.reached[from]
	return offset, ok
}

// of returns the progress of the partition for an aggregate type: by source partition, the highest
// offset.
func (p *progress) of(partition int32, aggregate string) map[int32]int64 {
	part := p.partitions[partition]
	part.mu.Lock()
	defer part.mu.Unlock()
	vector := map[int32]int64{}
	for from, offset := range part.reached {
		if from.aggregate == aggregate {
			vector[from.partition] = offset
		}
	}
	return vector
}

// wait returns when the partition has all of the positions, when check fails, or when ctx ends. It
// calls check again after every change and every wake.
func (p *progress) wait(ctx context.Context, partition int32, positions []foldlog.Position, check func() error) error {
	for {
		changed := p.partitions[partition].missing(positions)
		// Checked only now, so that a wake after the check closes the channel that is waited for
		// next.
		if err := check(); err != nil || changed == nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// missing returns nil if the partition has all of the positions, else a channel that is closed at
// the next change.
func (part *partitionProgress) missing(positions []foldlog.Position) <-chan struct{} {
	part.mu.Lock()
	defer part.mu.Unlock()
	for _, want := range positions {
		have, ok := part.reached[source{want.Aggregate, want.Partition}]
		if !ok || have < want.Offset {
			if part.changed == nil {
				part.changed = make(chan struct{})
			}
			return part.changed
		}
	}
	return nil
}
