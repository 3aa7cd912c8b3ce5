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

// Header returns the value of the record's last header of that name, or nil: whoever adds a header later overrides.
func (r *Record) Header(key string) []byte {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == key {
			return r.Headers[i].Value
		}
	}
	return nil
}
