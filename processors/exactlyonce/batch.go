package exactlyonce

import (
	"github.com/foldlog/foldlog/internal/record"
)

// batch is what a lane's steps since the last cut lead to.
type batch struct {
	records  []record.Record
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

// source is a source partition that progress is told of.
type source struct {
	name      string
	partition int32
}

// offsetsOnly reports whether nothing but the place in the input changed.
func (b *batch) offsetsOnly() bool {
	return len(b.records) == 0 && len(b.rows) == 0 && len(b.progress) == 0
}

// part is a lane's share of a transaction.
type part struct {
	lane  *lane
	batch *batch
}

// cut takes the open batches from the lanes, one lane after the other. Each is a run of whole steps, and lanes do not depend on each other.
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

// cut takes the open batch from the lane, or nil where nothing happened since the last cut.
func (l *lane) cut() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.batch
	if b.inputs == 0 {
		return nil // it stays the lane's
	}
	l.batch = &batch{records: make([]record.Record, 0, min(len(b.records), 4096)), rows: make([]change, 0, min(len(b.rows), 4096))}
	return b
}
