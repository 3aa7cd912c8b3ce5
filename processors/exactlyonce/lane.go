package exactlyonce

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/processors/step"
	"github.com/foldlog/foldlog/topology"
)

// lane is one assigned partition in one generation. It handles its inputs one after the other and
// gathers their steps in the open batch.
type lane struct {
	gen       *generation
	group     *step.Group
	partition int32
	log       *slog.Logger
	store     *store // nil for a group without table and index

	rows, index *shelf // of the goroutine that handles inputs
	memory      memory

	mu    sync.Mutex // guards batch, for the moment of an append or a cut
	batch *batch

	emptied chan struct{} // a cut was made
	inbox   inbox
	next    atomic.Int64            // input offset after the last one handled
	end     atomic.Int64            // end of the input, as far as known
	waiting atomic.Pointer[string]  // why an input is tried again
	waits   atomic.Pointer[waiting] // the input that is not handled yet

	stored    atomic.Pointer[store] // the same as store, for questions from outside
	reached   atomic.Int64          // place in the table that the restore reached
	restoring atomic.Int64          // offsets left to restore
	fault     error                 // why the restore failed
}

func newLane(g *generation, partition int32, lanes int) *lane {
	cache := max(g.engine.config.CacheBytes/int64(lanes), 1<<20)
	l := &lane{
		gen: g, group: &g.engine.group, partition: partition, log: g.engine.log.With("partition", partition),
		rows: newShelf(kindRow, cache), index: newShelf(kindIndex, cache/8), batch: &batch{}, emptied: make(chan struct{}, 1),
	}
	l.memory.lane = l
	l.inbox.init(max(g.engine.config.InputBytes/int64(lanes), 1<<20))
	return l
}

// carry handles a carrier's inputs. It returns early when the generation ends.
func (l *lane) carry(c *carrier) {
	defer func() {
		if p := recover(); p != nil {
			l.gen.engine.fail(failf(CausePanic, "panic while handling %s, partition %d: %v\n%s", l.group.Input, l.partition, p, debug.Stack()))
		}
	}()
	ctx := l.gen.ctx
	for i := range c.records {
		if ctx.Err() != nil {
			return
		}
		in := &c.records[i]
		s, err := l.handle(ctx, in)
		if err != nil {
			return // the generation ended while the input could not be handled
		}
		l.gen.engine.point(pointDecided)
		full, err := l.append(in, s)
		if err != nil {
			l.gen.engine.fail(err)
			return
		}
		if full && !l.awaitCut(ctx) {
			return
		}
	}
	l.next.Store(c.next)
}

// handle calls the handler until it succeeds: an outage of the registry or the brokers is not the
// input's fault. Other lanes go on.
func (l *lane) handle(ctx context.Context, in *record.Record) (step.Step, error) {
	l.memory.in = in
	for try := range retry.Attempts(ctx, 50*time.Millisecond, 10*time.Second) {
		s, err := l.group.Handle(ctx, in, &l.memory)
		if err == nil {
			if l.waiting.Load() != nil {
				l.waiting.Store(nil)
			}
			return s, nil
		}
		if ctx.Err() != nil {
			return step.Step{}, err
		}
		if Cause(err) == CauseStore { // a store that cannot be read does not get better
			l.gen.engine.fail(err)
			return step.Step{}, err
		}
		why := fmt.Sprintf("partition %d cannot handle offset %d: %v", l.partition, in.Offset, err)
		l.waiting.Store(&why)
		l.gen.engine.config.Metrics.retried(l.partition, err)
		l.log.Warn("cannot handle an input yet, trying again", "topic", in.Topic, "offset", in.Offset, "in", try.Pause(), "error", err)
	}
	return step.Step{}, ctx.Err()
}

// append puts an input's step into the open batch, and reports whether the lane should wait for a
// cut now.
func (l *lane) append(in *record.Record, s step.Step) (full bool, err error) {
	var row, remembered *entry
	if s.Row != nil {
		if l.group.Table == nil {
			return false, failf(CauseOther, "group %s has no table, but %s/%d/%d led to a row", l.group.Name, in.Topic, in.Partition, in.Offset)
		}
		if row = l.rows.get(in.Key); row == nil {
			if err := l.owns(in.Key); err != nil {
				return false, err
			}
			row = l.rows.add(string(in.Key), nil, 0)
		}
	}
	var raw []byte
	if s.Remember != nil {
		if raw, err = l.remembered(in, &s); err != nil {
			return false, err
		}
		if remembered = l.index.entries[s.Remember.Key]; remembered == nil {
			remembered = l.index.add(s.Remember.Key, nil, 0)
		}
	}
	l.mu.Lock()
	b := l.batch
	first := b.offsetsOnly()
	b.inputs++
	b.next = in.Offset + 1
	if row != nil {
		l.rows.set(row, s.Row.Value, s.Row.Encoded, b)
		b.bytes += int64(len(s.Row.Encoded))
	}
	if remembered != nil {
		l.index.set(remembered, s.Remember.Value, raw, b)
	}
	for i := range s.Records {
		b.bytes += int64(len(s.Records[i].Key) + len(s.Records[i].Value))
		b.write(&s.Records[i], -1)
	}
	if s.Progress != nil && l.group.ProgressTopic != "" {
		if b.progress == nil {
			b.progress = map[source]int64{}
		}
		from := source{s.Progress.Source, s.Progress.Partition}
		if have, ok := b.progress[from]; !ok || s.Progress.Offset > have {
			b.progress[from] = s.Progress.Offset
		}
	}
	b.bytes += 64
	full, work := l.gen.full(b), !b.offsetsOnly()
	l.mu.Unlock()
	switch {
	case work && first:
		l.gen.wakeup()
	case !work:
		l.gen.wakeupLater()
	}
	return full, nil
}

// owns returns an error unless a row's key belongs to the lane's partition. Otherwise a producer
// with another partitioner would silently split the state of a key between two partitions.
func (l *lane) owns(key []byte) error {
	if len(key) == 0 {
		return failf(CausePartitioning, "%s: a row needs a key, the input in partition %d has none", l.group.Table.Topic, l.partition)
	}
	if p := topology.PartitionOf(key, l.group.Partitions); p != l.partition {
		return failf(CausePartitioning, "row %q of %s belongs to partition %d, but its input came from partition %d of %s: a producer partitions "+
			"differently (it must use murmur2) or the partition count changed", key, l.group.Table.Topic, p, l.partition, l.group.Input)
	}
	return nil
}

// remembered returns the stored form of a step's index entry: the record behind it.
func (l *lane) remembered(in *record.Record, s *step.Step) ([]byte, error) {
	for i := range s.Records {
		if r := &s.Records[i]; l.group.Index != nil && r.Topic == l.group.Index.Topic {
			if p := topology.PartitionOf(r.Key, l.group.Partitions); p != l.partition {
				return nil, failf(CausePartitioning, "the record of index entry %q goes to partition %d of %s, but its input came from partition %d",
					s.Remember.Key, p, r.Topic, l.partition)
			}
			return encodeRemembered(r), nil
		}
	}
	return nil, failf(CauseOther, "group %s: %s/%d/%d led to an index entry without a record in the index's topic", l.group.Name, in.Topic, in.Partition, in.Offset)
}

// awaitCut waits until the open batch is small enough again. It returns false if the generation
// ended.
func (l *lane) awaitCut(ctx context.Context) bool {
	for {
		l.mu.Lock()
		full := l.gen.full(l.batch)
		l.mu.Unlock()
		if !full {
			return true
		}
		select {
		case <-l.emptied:
		case <-ctx.Done():
			return false
		}
	}
}

// memory is the state that a handler may read.
type memory struct {
	lane *lane
	in   *record.Record
}

// Row returns the row of the input's key after the steps so far.
func (m *memory) Row(ctx context.Context) (any, error) {
	l := m.lane
	if l.group.Table == nil || len(m.in.Key) == 0 {
		return nil, nil
	}
	if e := l.rows.get(m.in.Key); e != nil {
		return e.value, nil
	}
	var encoded []byte
	if l.rows.absence.mayHave(maphash.Bytes(hashSeed, m.in.Key)) {
		var err error
		if encoded, err = l.store.get(kindRow, m.in.Key); err != nil {
			return nil, err
		}
	}
	var value any
	if encoded != nil {
		var err error
		if value, err = l.group.Table.Decode(ctx, encoded); err != nil {
			return nil, fmt.Errorf("row %q of %s, partition %d: %w", m.in.Key, l.group.Table.Topic, l.partition, err)
		}
	}
	// append relies on this for keys that have an entry.
	if topology.PartitionOf(m.in.Key, l.group.Partitions) == l.partition {
		l.rows.add(string(m.in.Key), value, len(encoded))
	}
	return value, nil
}

// Lookup returns the index entry of a key after the steps so far.
func (m *memory) Lookup(ctx context.Context, key string) (any, error) {
	l := m.lane
	if l.group.Index == nil {
		return nil, nil
	}
	if e := l.index.entries[key]; e != nil {
		return e.value, nil
	}
	if !l.index.absence.mayHave(maphash.String(hashSeed, key)) {
		return nil, nil
	}
	raw, err := l.store.get(kindIndex, []byte(key))
	if err != nil || raw == nil {
		return nil, err
	}
	r, err := decodeRemembered(raw)
	if err != nil {
		return nil, failf(CauseStore, "index entry %q, partition %d: %w", key, l.partition, err)
	}
	found, ok, err := l.readIndex(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("index entry %q of %s, partition %d: %w", key, r.Topic, l.partition, err)
	}
	if !ok {
		return nil, nil
	}
	return found.Value, nil
}
