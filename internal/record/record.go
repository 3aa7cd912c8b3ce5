package record

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Record is a record that was read from, or is to be written to, a Kafka topic.
type Record struct {
	Topic     string
	Partition int32
	// Offset is the record's place in its partition. It means nothing in a record to be written.
	Offset int64
	Key    []byte
	// Value is nil for a tombstone.
	Value   []byte
	Headers []Header
	// Transactional is true if the record was read and its batch was written in a transaction, as
	// all records of our own groups are. Anybody can write in transactions, too.
	Transactional bool
	// Timestamp is the log's time of the record. In a record to be written, zero means now.
	Timestamp time.Time
}

// Header is one header of a record. Keys may repeat. It is franz-go's type, so that the headers of
// records are shared and not copied: a record has half a dozen.
type Header = kgo.RecordHeader

// Of returns a record that was read, in this shape. It shares key, value and headers with it.
func Of(r *kgo.Record) Record {
	return Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp,
		Transactional: r.Attrs.IsTransactional()}
}

// Header returns the value of the record's last header of that name, or nil. A header that was
// added later overrides earlier ones.
func (r *Record) Header(key string) []byte {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == key {
			return r.Headers[i].Value
		}
	}
	return nil
}

// Size returns the most bytes that the record takes in a batch without compression, apart from the
// batch's own: those of key, value and headers, and the lengths of headers.
func (r *Record) Size() int {
	size := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		size += len(h.Key) + len(h.Value) + 8
	}
	return size
}

// HeaderProgress is the header of a progress record, with a position's text. The engine writes it
// and codecs reads it.
//
// NB: must not change. Tables and re-keyed topics contain it.
const HeaderProgress = "foldlog-progress"
