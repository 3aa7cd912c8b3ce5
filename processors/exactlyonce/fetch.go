package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
)

// stuckAfter is the time that the fetcher waits for a lane with a full inbox. Then it stops
// fetching that partition and serves the others.
const stuckAfter = 250 * time.Millisecond

// fetcher reads the inputs of one generation. It begins once every claim has named its start. It
// belongs to its generation alone, so that nothing fetched for an old one reaches a new one.
type fetcher struct {
	gen    *generation
	client *kgo.Client
	intake *cluster.Intake

	mu     sync.Mutex
	starts map[int32]kgo.Offset
	done   chan struct{} // closed when the loop ended; nil before it began
}

func newFetcher(g *generation) *fetcher {
	f := &fetcher{gen: g, starts: map[int32]kgo.Offset{}}
	f.intake = cluster.NewIntake(g.engine.config.InputBytes, f.waiting)
	return f
}

// claim names the start of a partition. The last of all claims starts the fetching.
func (f *fetcher) claim(partition int32, offset int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	start := kgo.NewOffset().At(offset)
	if offset == sarama.OffsetOldest {
		start = kgo.NewOffset().AtStart()
	}
	f.starts[partition] = start
	if len(f.starts) < len(f.gen.lanes) || f.gen.ctx.Err() != nil || f.done != nil {
		return nil
	}
	opts, err := fetchOptions(f.gen.engine.config, f.gen.engine.group.Input, f.starts)
	if err != nil {
		return err
	}
	opts = append(opts, kgo.WithDecompressor(f.intake))
	if f.client, err = kgo.NewClient(opts...); err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	if err := assertFetch(f.client); err != nil {
		f.client.Close()
		return fail(CauseConfiguration, err)
	}
	f.done = make(chan struct{})
	go f.loop()
	return nil
}

// close ends the fetching and waits for it. The generation's context has ended.
func (f *fetcher) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done != nil {
		f.client.Close()
		<-f.done
	}
}

func (f *fetcher) loop() {
	defer close(f.done)
	topic := f.gen.engine.group.Input
	paused := map[int32]bool{}
	for {
		// A paused lane needs a goroutine that looks whether it has room again.
		ctx, cancel := f.gen.ctx, context.CancelFunc(func() {})
		if len(paused) > 0 {
			ctx, cancel = context.WithTimeout(ctx, stuckAfter)
		}
		fetches := f.client.PollFetches(ctx)
		cancel()
		if f.gen.ctx.Err() != nil || fetches.IsClientClosed() {
			return
		}
		unreadable, failures := cluster.Skip(f.client, fetches)
		if err := fault(failures); err != nil {
			f.gen.engine.fail(failf(CauseFetch, "read %s: %w", topic, err))
			return
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			l := f.gen.lanes[p.Partition]
			if l == nil {
				return
			}
			if p.HighWatermark > 0 {
				l.end.Store(p.HighWatermark)
			}
			for _, c := range carriers(p.Records) {
				f.gen.engine.point(pointFetched)
				l.inbox.put(c, topic, p.Partition)
			}
		})
		for _, r := range unreadable { // behind what was read before them
			if l := f.gen.lanes[r.Partition]; l != nil {
				l.inbox.put(carriers([]*kgo.Record{r})[0], topic, r.Partition)
			}
		}
		f.intake.Taken()
		for partition := range paused {
			if !f.gen.lanes[partition].inbox.full() {
				delete(paused, partition)
				f.gen.lanes[partition].inbox.paused.Store(false)
				f.client.ResumeFetchPartitions(map[string][]int32{topic: {partition}})
			}
		}
		for partition, l := range f.gen.lanes {
			if !paused[partition] && !f.awaitRoom(l) {
				if f.gen.ctx.Err() != nil {
					return
				}
				paused[partition] = true
				l.inbox.paused.Store(true)
				f.client.PauseFetchPartitions(map[string][]int32{topic: {partition}})
			}
		}
	}
}

// waiting returns the bytes in front of the lanes. A lane that is paused does not count: what it
// holds must not keep the others from reading on.
func (f *fetcher) waiting() (bytes int64) {
	for _, l := range f.gen.lanes {
		if !l.inbox.paused.Load() {
			bytes += l.inbox.bytes.Load()
		}
	}
	return bytes
}

// awaitRoom waits a little until a lane's inbox has room.
func (f *fetcher) awaitRoom(l *lane) bool {
	if !l.inbox.full() {
		return true
	}
	timeout := time.NewTimer(stuckAfter)
	defer timeout.Stop()
	for l.inbox.full() {
		select {
		case <-l.inbox.taken:
		case <-timeout.C:
			return false
		case <-f.gen.ctx.Done():
			return false
		}
	}
	return true
}

// fault returns the error of fetches, if it is more than a poll that was given up, or an intake
// that is full.
func fault(failures []kgo.FetchError) error {
	var all []error
	for _, f := range failures {
		passing := errors.Is(f.Err, context.DeadlineExceeded) || errors.Is(f.Err, context.Canceled) || errors.Is(f.Err, cluster.ErrEnough)
		if !passing {
			all = append(all, fmt.Errorf("partition %d: %w", f.Partition, f.Err))
		}
	}
	return errors.Join(all...)
}
