package exactlyonce

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/record"
)

// batch is the result of a lane's steps since the last cut.
type batch struct {
	outputs  []*slab
	rows     []change // one for each changed key
	index    []change
	progress map[source]int64
	next     int64 // the input offset after the last step; 0 while there is none
	inputs   int
	bytes    int64
}

// change is an entry's new value in a batch.
type change struct {
	entry   *entry
	encoded []byte
}

// source is a source partition whose progress is announced.
type source struct {
	name      string
	partition int32
}

// offsetsOnly reports whether only the place in the input changed.
func (b *batch) offsetsOnly() bool {
	return len(b.outputs) == 0 && len(b.rows) == 0 && len(b.progress) == 0
}

// part is a lane's share of a transaction.
type part struct {
	lane  *lane
	batch *batch
}

// cut takes the open batches from the lanes, one lane after the other. Each batch is a run of whole
// steps, and lanes do not depend on each other.
func cut(lanes []*lane) []part {
	var parts []part
	for _, l := range lanes {
		if b := l.cut(); b != nil {
			notify(l.emptied)
			parts = append(parts, part{l, b})
		}
	}
	return parts
}

// cut takes the open batch from the lane, or nil if nothing happened since the last cut.
func (l *lane) cut() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.batch
	if b.inputs == 0 {
		return nil // it stays the lane's
	}
	l.batch = &batch{outputs: make([]*slab, 0, len(b.outputs)), rows: make([]change, 0, len(b.rows))}
	return b
}

// slabSize is the number of records in a slab.
const slabSize = 256

// slab is a run of records on their way to the brokers, as franz-go wants them. Batches grow by
// slabs, so that growing copies nothing, and slabs are used again once their transaction is over.
type slab struct {
	records []kgo.Record
}

var slabs = sync.Pool{New: func() any { return &slab{records: make([]kgo.Record, 0, slabSize)} }}

// write appends a record to the batch. If partition is negative, the key decides.
func (b *batch) write(r *record.Record, partition int32) {
	var c *slab
	if n := len(b.outputs); n > 0 && len(b.outputs[n-1].records) < slabSize {
		c = b.outputs[n-1]
	} else {
		c = slabs.Get().(*slab)
		b.outputs = append(b.outputs, c)
	}
	c.records = append(c.records, kgo.Record{Topic: r.Topic, Partition: partition, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp})
}

// release empties the batch once its transaction is over: entries remember the batch that they
// changed in last, and would keep its content alive. The slabs are used again.
func (b *batch) release() {
	for _, c := range b.outputs {
		clear(c.records)
		c.records = c.records[:0]
		slabs.Put(c)
	}
	b.outputs, b.rows, b.index, b.progress = nil, nil, nil, nil
}
