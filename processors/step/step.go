package step

import (
	"context"

	"github.com/foldlog/foldlog/internal/record"
)

// Group is one consumer group: an input topic, a handler, and the topics that its steps may write
// to.
type Group struct {
	// Name is the Kafka consumer group.
	Name string
	// Input is the topic that is consumed.
	Input string
	// Partitions is the partition count of every topic of the group.
	Partitions int
	// Table is the group's table, or nil for a stateless group.
	Table *Table
	// Index is the group's memory of its own output, or nil.
	Index *Index
	// Outputs are the topics, other than table and dead letters, that steps may write to.
	Outputs []string
	// DeadLetters is the topic for input that could not be handled.
	DeadLetters string
	// ProgressTopic is the topic in which progress is announced: the table's topic (in the input's
	// own partition), or an output (in all its partitions). Empty means none.
	ProgressTopic string
	// Handle turns an input record into a step.
	Handle func(ctx context.Context, in *record.Record, memory Memory) (Step, error)
}

// Table is a compacted topic with one row for each key.
type Table struct {
	Topic string
	// Decode turns a stored row into the value that Memory.Row returns.
	Decode func(ctx context.Context, value []byte) (any, error)
}

// Index is a lookup structure that is read back from a topic which the group itself writes, so it
// costs no records of its own.
type Index struct {
	Topic string
	// Read returns the entry for a record of the topic; ok is false for records without an entry.
	Read func(ctx context.Context, r *record.Record) (e IndexEntry, ok bool, err error)
	// Retain reports whether an entry is still needed. It reads a clock, so that the index forgets
	// in time; handlers decide by recorded time alone.
	Retain func(e IndexEntry) bool
}

// IndexEntry is one entry of an index.
type IndexEntry struct {
	Key   string
	Value any
}

// Memory is the state that a handler may read. It reflects all earlier steps of the same partition.
type Memory interface {
	// Row returns the row of the input's key, or nil if there is none.
	Row(ctx context.Context) (any, error)
	// Lookup returns the index entry of that key, or nil.
	Lookup(ctx context.Context, key string) (any, error)
}

// Step is the result of one input. With the zero value, only the input's offset moves on.
type Step struct {
	// Row is the new row of the input's key, or nil if it does not change.
	Row *Row
	// Records are written in this order. A record's partition is that of its key.
	Records []record.Record
	// Remember is an entry to add to the index; its record is among Records.
	Remember *IndexEntry
	// Progress says which place of a source is complete with this step; nil if none is.
	Progress *Progress
}

// Row is a row's new value.
type Row struct {
	// Value is the value that a later Memory.Row returns.
	Value any
	// Encoded is the value of the table's record.
	Encoded []byte
}

// Progress says that everything that follows from a source partition up to an offset has been
// written. See topology.ProgressKeys.
type Progress struct {
	Source    string
	Partition int32
	Offset    int64
}
