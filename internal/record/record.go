// Package record is the shape of a Kafka record as it passes between rooms, so that codecs, engines and processors need no
// conversion. It imports the standard library only.
//
// Invariants:
//
//  1. A record is never changed after it was handed on; slices may be shared.
package record

import "time"

// Record is a record that was read from, or is to be written to, a Kafka topic.
type Record struct {
	Topic     string
	Partition int32
	// Offset is the record's place in its partition; meaningless in a record to be written.
	Offset int64
	Key    []byte
	// Value is nil for a tombstone.
	Value   []byte
	Headers []Header
	// Timestamp is the log's time for the record; zero in a record to be written means now.
	Timestamp time.Time
}

// Header is one header of a record. Keys may repeat.
type Header struct {
	Key   string
	Value []byte
}

// Header returns the value of the first header of that name, or nil.
func (r *Record) Header(key string) []byte {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			return r.Headers[i].Value
		}
	}
	return nil
}
