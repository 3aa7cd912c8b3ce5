package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/foldlog/foldlog/internal/record"
)

// Row is a log record as a file holds it.
type Row struct {
	Partition int32
	// Offset is the record's place in the log that was exported.
	Offset int64
	// Time is the record's own timestamp in milliseconds, which may differ from the time in its
	// value.
	Time time.Time
	// Chain is the event's link in the hash chain of its aggregate; nil for other records.
	Chain []byte
	// Cause is the place of the command that the record follows from; "" for a command.
	Cause string
	// Complete is true for the last event of its command.
	Complete bool
	// Headers are those that have no column and do not follow from the value.
	Headers []record.Header
	// Value is the record's value without the prefix that names its schema: Avro, as the file's
	// [Reader.Schema] describes it.
	Value []byte
}

// columns are the fields before those of the writer's record. The last one is the length of the
// value, so that the value is found without its schema.
//
// NB: must not change. Files have it.
const columns = `{"name":"foldlog_partition","type":"int","doc":"Partition of the log that was exported."},` +
	`{"name":"foldlog_offset","type":"long","doc":"Offset in that partition."},` +
	`{"name":"foldlog_time","type":{"type":"long","logicalType":"timestamp-millis"},"doc":"Time of the record in the log."},` +
	`{"name":"foldlog_chain","type":["null","bytes"],"doc":"Of an event: SHA-256 of the aggregate's link before, the schema's fingerprint and the record's bytes."},` +
	`{"name":"foldlog_cause","type":["null","string"],"doc":"Place of the command that this follows from: aggregate/partition/offset."},` +
	`{"name":"foldlog_complete","type":"boolean","doc":"Whether this is the last event of its command."},` +
	`{"name":"foldlog_headers","type":{"type":"array","items":{"type":"record","name":"FoldlogHeader","namespace":"foldlog.archive","fields":[` +
	`{"name":"key","type":"string"},{"name":"value","type":"bytes"}]}},"doc":"Headers that are in no column and do not follow from the fields."},` +
	`{"name":"foldlog_bytes","type":"long","doc":"Length of what follows: the record's value as it was in the log."},`

// appendTo appends the row as Avro.
func (r *Row) appendTo(b []byte) []byte {
	b = binary.AppendVarint(b, int64(r.Partition))
	b = binary.AppendVarint(b, r.Offset)
	b = binary.AppendVarint(b, r.Time.UnixMilli())
	b = appendOptional(appendOptional(b, r.Chain), orNil(r.Cause))
	if r.Complete {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	if len(r.Headers) > 0 {
		b = binary.AppendVarint(b, int64(len(r.Headers)))
		for _, h := range r.Headers {
			b = append(binary.AppendVarint(b, int64(len(h.Key))), h.Key...)
			b = append(binary.AppendVarint(b, int64(len(h.Value))), h.Value...)
		}
	}
	b = append(b, 0) // the end of the array
	b = binary.AppendVarint(b, int64(len(r.Value)))
	return append(b, r.Value...)
}

// appendOptional appends a union of null and bytes.
func appendOptional(b, value []byte) []byte {
	if value == nil {
		return append(b, 0)
	}
	return append(binary.AppendVarint(append(b, 2), int64(len(value))), value...)
}

// orNil returns a text's bytes; nil for none.
func orNil(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(text)
}

var errRow = errors.New("a row is not made of the archive's columns")

// scanner takes Avro apart. After an error, all values that it returns are zero.
type scanner struct {
	left []byte
	err  error
}

func (s *scanner) fail() {
	s.left, s.err = nil, errRow
}

func (s *scanner) long() int64 {
	n, size := binary.Varint(s.left)
	if size <= 0 {
		s.fail()
		return 0
	}
	s.left = s.left[size:]
	return n
}

func (s *scanner) bytes() []byte {
	n := s.long()
	if n < 0 || n > int64(len(s.left)) {
		s.fail()
		return nil
	}
	b := s.left[:n:n]
	s.left = s.left[n:]
	return b
}

// optional returns the bytes of a union of null and bytes, nil for null.
func (s *scanner) optional() []byte {
	switch s.long() {
	case 0:
		return nil
	case 1:
		if b := s.bytes(); s.err == nil {
			return b
		}
	default:
		s.fail()
	}
	return nil
}

func (s *scanner) row() *Row {
	r := &Row{Partition: int32(s.long()), Offset: s.long(), Time: time.UnixMilli(s.long()).UTC(), Chain: s.optional(), Cause: string(s.optional())}
	switch s.long() { // a boolean is one byte, which reads as 0 or -1
	case 0:
	case -1:
		r.Complete = true
	default:
		s.fail()
	}
	for n := s.long(); n != 0 && s.err == nil; n = s.long() {
		if n < 0 || n > int64(len(s.left)) {
			s.fail()
			break
		}
		for range n {
			r.Headers = append(r.Headers, record.Header{Key: string(s.bytes()), Value: s.bytes()})
		}
	}
	r.Value = s.bytes()
	return r
}

// CommandSchema is the schema of a command's [Row.Value]. A producer may have written JSON, Avro of
// any schema, or neither.
//
// NB: must not change. Files have it.
const CommandSchema = `{"type":"record","name":"Command","namespace":"foldlog.archive","doc":"A record of a log of commands.","fields":[` +
	`{"name":"key","type":["null","bytes"],"doc":"The record's key: the aggregate's id."},` +
	`{"name":"schema","type":["null","string"],"doc":"Of a value in Avro: the schema's fingerprint, under which the manifest has its text."},` +
	`{"name":"value","type":["null","bytes"],"doc":"The record's value; in Avro without the five bytes that name its schema."}]}`

// Command is a command's record.
type Command struct {
	Key []byte
	// Schema is the fingerprint of the value's schema; then the value lacks its prefix. It is "" if
	// the value is unchanged.
	Schema string
	Value  []byte
}

// Bytes returns the command as the value of a row.
func (c Command) Bytes() []byte {
	b := appendOptional(make([]byte, 0, 64+len(c.Key)+len(c.Value)), c.Key)
	return appendOptional(appendOptional(b, orNil(c.Schema)), c.Value)
}

// ParseCommand reads the bytes that [Command.Bytes] returned.
func ParseCommand(value []byte) (Command, error) {
	s := &scanner{left: value}
	c := Command{Key: s.optional(), Schema: string(s.optional()), Value: s.optional()}
	if s.err != nil || len(s.left) > 0 {
		return Command{}, fmt.Errorf("a command: %w", errRow)
	}
	return c, nil
}
