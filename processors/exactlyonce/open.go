package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/topology"
)

// open opens the lane's store and brings it up to the ends of its topics. Goka calls it when it
// sets the partition up; ctx ends with the session.
func (l *lane) open(ctx context.Context) error {
	err := l.openAndRestore(ctx)
	if err != nil {
		l.fault = fmt.Errorf("restore partition %d of group %s: %w", l.partition, l.group.Name, err)
	}
	return err
}

func (l *lane) openAndRestore(ctx context.Context) error {
	e := l.gen.engine
	want := l.gen.store
	want.partition = l.partition
	s, reason, err := openStore(e.disk, l.storePath(), want, l.log)
	if err != nil {
		return fail(CauseStore, err)
	}
	if reason != "" {
		e.config.Metrics.storeRebuilt(l.partition, reason)
	}
	s.interval, s.limit, s.metrics, s.point, s.failed = e.config.FlushInterval, max(l.gen.batchLimit, 8<<20), &e.config.Metrics, e.point, e.fail
	l.store = s
	l.stored.Store(s)
	err = l.restore(ctx)
	if errors.Is(err, errNotACopy) {
		l.log.Warn("the local store is rebuilt from its topics", "reason", err)
		e.config.Metrics.storeRebuilt(l.partition, err.Error())
		fresh := receipt{Format: storeFormat, Group: want.group, Partition: want.partition, TableID: want.tableID, IndexID: want.indexID}
		if err := s.empty(); err != nil {
			return fail(CauseStore, err)
		}
		s.receipt = fresh
		err = l.restore(ctx)
	}
	if err != nil {
		return err
	}
	s.run()
	if l.group.Table != nil {
		l.gen.committer.Go(func() { l.readStored(l.rows) })
	}
	if l.group.Index != nil {
		l.gen.committer.Go(func() { l.readStored(l.index) })
		l.gen.committer.Go(l.purge)
	}
	return nil
}

// restore brings table and index up to date.
func (l *lane) restore(ctx context.Context) error {
	if l.store.receipt.Seen.IsZero() {
		// The records that a new store reads from now on are as complete as if it had been complete
		// now: a deletion stays in the log for a while after it.
		l.store.receipt.Seen = time.Now().UTC()
	}
	if l.group.Table != nil {
		next, err := l.restoreTopic(ctx, l.group.Table.Topic, l.store.receipt.TableNext, l.tableSink(), func(next int64) { l.store.receipt.TableNext = next })
		if err != nil {
			return err
		}
		l.reached.Store(next)
	}
	if l.group.Index != nil {
		if _, err := l.restoreTopic(ctx, l.group.Index.Topic, l.store.receipt.IndexNext, l.indexSink(ctx), func(next int64) { l.store.receipt.IndexNext = next }); err != nil {
			return err
		}
	}
	return nil
}

// restoreTopic reads a topic from a place to its end into the store. If the topic no longer has
// that place, the store is not a copy of this topic.
func (l *lane) restoreTopic(ctx context.Context, topic string, from int64, keep func(*kgo.Record) (stored, bool, error), reached func(int64)) (int64, error) {
	began := time.Now()
	buffer := &restoreBuffer{lane: l, limit: l.gen.engine.config.RestoreBytes / int64(len(l.gen.lanes)), reached: reached, latest: map[string]stored{}}
	r := &restorer{engine: l.gen.engine, lane: l, topic: topic, partition: l.partition, log: l.log,
		each: func(rec *kgo.Record) error {
			s, ok, err := keep(rec)
			if err != nil || !ok {
				return err
			}
			return buffer.add(s)
		},
		through: func(next int64) error { return buffer.through(next) },
	}
	next, err := r.run(ctx, from)
	if err == nil {
		err = buffer.flush(true)
	}
	if err != nil {
		return 0, err
	}
	l.restoring.Store(0)
	l.gen.engine.config.Metrics.restored(RestoreStats{Topic: topic, Partition: l.partition, From: from, To: next, Records: r.records, Fenced: r.fenced, Took: time.Since(began)})
	return next, nil
}

// tableSink returns the stored form of a table's record.
func (l *lane) tableSink() func(*kgo.Record) (stored, bool, error) {
	return func(r *kgo.Record) (stored, bool, error) {
		key := string(r.Key)
		if strings.HasPrefix(key, topology.ProgressPrefix) || l.foreign(r) {
			return stored{}, false, nil
		}
		return stored{kindRow, key, r.Value}, true, nil
	}
}

// foreign reports whether a record of the group's own topics cannot be the group's: it has no key,
// one of another partition, or cannot be read at all. Somebody else wrote it, so it is left out.
func (l *lane) foreign(r *kgo.Record) bool {
	why := ""
	switch p := topology.PartitionOf(r.Key, l.group.Partitions); {
	case len(r.Key) == 0 && len(r.Headers) == 1 && r.Headers[0].Key == cluster.HeaderUnreadable:
		why = string(r.Headers[0].Value)
	case len(r.Key) == 0:
		why = "it has no key"
	case p != l.partition:
		why = fmt.Sprintf("its key belongs to partition %d", p)
	default:
		return false
	}
	l.gen.engine.config.Metrics.foreign(r.Topic)
	l.log.Error("left out a record that this group cannot have written", "topic", r.Topic, "offset", r.Offset, "cause", why)
	return true
}

// indexSink returns the stored form of a record of the index's topic.
func (l *lane) indexSink(ctx context.Context) func(*kgo.Record) (stored, bool, error) {
	return func(r *kgo.Record) (stored, bool, error) {
		if l.foreign(r) {
			return stored{}, false, nil
		}
		in := record.Of(r)
		found, ok, err := l.readIndex(ctx, &in)
		if err != nil || !ok || !l.group.Index.Retain(found) {
			return stored{}, false, err
		}
		return stored{kindIndex, found.Key, encodeRemembered(&in)}, true, nil
	}
}

// restoreBuffer gathers the records of a restore, the last of each key, and writes them sorted.
type restoreBuffer struct {
	lane    *lane
	limit   int64
	reached func(int64)
	latest  map[string]stored
	bytes   int64
	next    int64
	dirty   bool
}

func (b *restoreBuffer) add(s stored) error {
	old, had := b.latest[s.key]
	b.latest[s.key] = s
	b.bytes += int64(len(s.value))
	if had {
		b.bytes -= int64(len(old.value))
	} else {
		b.bytes += int64(len(s.key)) + 128
	}
	return nil
}

// through notes that all records before next were added.
func (b *restoreBuffer) through(next int64) error {
	b.next, b.dirty = next, true
	if b.bytes < b.limit {
		return nil
	}
	return b.flush(false)
}

func (b *restoreBuffer) flush(last bool) error {
	if !b.dirty {
		return nil
	}
	items := make([]stored, 0, len(b.latest))
	for _, s := range b.latest {
		items = append(items, s)
	}
	b.reached(b.next)
	b.lane.gen.engine.point(pointRestore)
	receipt := b.lane.store.receipt
	if last { // only now is it known to be complete
		receipt.Seen = time.Now().UTC()
		b.lane.store.receipt = receipt
	}
	if err := b.lane.store.write(items, receipt, last); err != nil {
		return err
	}
	clear(b.latest)
	b.bytes, b.dirty = 0, false
	return nil
}

// close ends the lane for good. Committed rows go to the store.
func (l *lane) close() error {
	if l.store == nil {
		return nil
	}
	return l.store.close()
}

// storePath returns the path of the lane's store.
func (l *lane) storePath() string {
	e := l.gen.engine
	return filepath.Join(e.dir, fmt.Sprintf("%s.%d", e.stateTopics()[0], l.partition))
}

// closeOthers closes the stores of partitions that are assigned to others now.
func (g *generation) closeOthers() {
	here := map[string]bool{}
	if len(g.engine.stateTopics()) > 0 {
		for _, l := range g.ordered {
			here[l.storePath()] = true
		}
	}
	if err := g.engine.disk.closeIf(func(path string) bool { return !here[path] }); err != nil {
		g.engine.log.Error("close local stores; they are mended or rebuilt when they are opened again", "error", err)
	}
}

// openStateless opens the stores that Goka does not know of: it knows tables only.
func (g *generation) openStateless() error {
	if g.engine.group.Table != nil || g.engine.group.Index == nil {
		return nil
	}
	var all errgroup.Group
	for _, l := range g.ordered {
		all.Go(func() error { return l.open(g.ctx) })
	}
	return all.Wait()
}

// firstRestoreError returns the reason why a restore failed. Goka's own error has lost the chain
// that errors.Is needs.
func (g *generation) firstRestoreError() error {
	for _, l := range g.ordered {
		if l.fault != nil {
			return l.fault
		}
	}
	return nil
}
