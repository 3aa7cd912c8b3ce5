package exactlyonce

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/record"
)

// commit writes the lanes' batches as one transaction. Meanwhile the lanes gather the next.
func (g *generation) commit() error {
	e := g.engine
	began := time.Now()
	parts := cut(g.ordered)
	if len(parts) == 0 {
		return nil
	}
	e.point(pointBeforeTransaction)
	stats := TransactionStats{Lanes: len(parts), OffsetsOnly: true}
	for _, p := range parts {
		stats.OffsetsOnly = stats.OffsetsOnly && p.batch.offsetsOnly()
		stats.Inputs += p.batch.inputs
		stats.Rows += len(p.batch.rows)
		stats.Bytes += int(p.batch.bytes)
	}
	stats.Cut = time.Since(began)
	e.committing.start()
	defer e.committing.stop()
	ctx, cancel := within(e.config.Patience)
	defer cancel()
	w := &Work{Offsets: g.offsets(parts), Produced: func() { e.point(pointProduced) }, Sent: func() { e.point(pointOffsets) },
		Track: [2]string{e.tableTopic(), e.indexTopic()}}
	var err error
	if stats.OffsetsOnly {
		err = e.txns.next().CommitOffsets(ctx, w.Offsets)
	} else {
		w.Outputs = g.outputs(parts)
		for _, run := range w.Outputs {
			stats.Records += len(run)
		}
		err = e.txns.next().Commit(ctx, w)
	}
	if err != nil {
		return err
	}
	e.point(pointAfterTransaction)
	committed := time.Now()
	stats.Run = committed.Sub(began) - stats.Cut
	g.apply(parts, w.Reached)
	for _, p := range parts {
		p.batch.release()
	}
	stats.Apply = time.Since(committed)
	e.point(pointApplied)
	e.config.Metrics.transaction(stats)
	return nil
}

// outputs returns all records of a transaction: those of the steps in their order, then the last
// row of each key, and finally the progress.
func (g *generation) outputs(parts []part) [][]kgo.Record {
	var outputs [][]kgo.Record
	for _, p := range parts {
		for _, c := range p.batch.rows {
			p.batch.write(&record.Record{Topic: g.engine.tableTopic(), Key: []byte(c.entry.key), Value: c.encoded}, p.lane.partition)
		}
		for _, s := range p.batch.outputs {
			outputs = append(outputs, s.records)
		}
	}
	for _, p := range parts {
		outputs = append(outputs, g.progress(p))
	}
	return outputs
}

// progress returns the records that announce a part's progress.
func (g *generation) progress(p part) []kgo.Record {
	var outputs []kgo.Record
	for from, offset := range p.batch.progress {
		outputs = append(outputs, g.engine.progress(p.lane.partition, from, offset)...)
	}
	return outputs
}

// progress returns the records that announce the progress of a source partition. In a table they go
// to the input's own partition, since a source partition reaches no other; elsewhere to all
// partitions.
func (e *engine) progress(own int32, from source, offset int64) []kgo.Record {
	var outputs []kgo.Record
	topic := e.group.ProgressTopic
	text := []byte(foldlog.Position{Aggregate: from.name, Partition: from.partition, Offset: offset}.String())
	for partition, key := range e.progressKeys(from) {
		if topic == e.tableTopic() && int32(partition) != own {
			continue
		}
		outputs = append(outputs, kgo.Record{Topic: topic, Partition: int32(partition), Key: []byte(key), Value: text,
			Headers: []kgo.RecordHeader{{Key: record.HeaderProgress, Value: text}}})
	}
	return outputs
}

// apply hands committed changes to the stores, and waits if they cannot keep up.
func (g *generation) apply(parts []part, reached [2]map[int32]int64) {
	for _, p := range parts {
		l := p.lane
		l.next.Store(max(l.next.Load(), p.batch.next))
		if l.store == nil {
			continue
		}
		l.store.apply(p.batch.rows, p.batch.index, reached[0][l.partition], reached[1][l.partition])
		for l.store.full() && g.ctx.Err() == nil {
			notify(l.store.kick)
			select {
			case <-l.store.room:
			case <-g.ctx.Done():
			}
		}
	}
}
