package codecs

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/topology"
)

// maxCause is the largest cause in a header, in bytes. Input can make a cause as long as itself.
const maxCause = 4 << 10

// CloudEventSource returns the ce_source of an aggregate type's events, such as
// "/foldlog/bank/account".
//
// NB: must not change. Routers match on it.
func CloudEventSource(system, aggregate string) string { return "/foldlog/" + system + "/" + aggregate }

// CloudEventHeaders returns the copies of an event's attributes in CloudEvents' binary mode, with
// the content type.
func CloudEventHeaders(source string, e foldlog.Event[any]) []Header {
	return []Header{
		{Key: HeaderContentType, Value: []byte(ContentTypeAvro)},
		{Key: HeaderCESpecVersion, Value: []byte("1.0")},
		{Key: HeaderCEID, Value: []byte(e.EventID)},
		{Key: HeaderCESource, Value: []byte(source)},
		{Key: HeaderCEType, Value: []byte(e.Type)},
		{Key: HeaderCETime, Value: e.RecordedAt.UTC().AppendFormat(nil, time.RFC3339Nano)},
		{Key: HeaderCESubject, Value: []byte(e.AggregateID)},
	}
}

// Rekeyed returns the copy of an event's record that goes to the partition of a row. The progress
// that the event announces stays behind: it is announced to every partition, after the event.
func Rekeyed(event Record, topic, key string) Record {
	headers := make([]Header, 0, len(event.Headers))
	for _, h := range event.Headers {
		if h.Key != HeaderProgress {
			headers = append(headers, h)
		}
	}
	return Record{Topic: topic, Key: []byte(key), Value: event.Value, Headers: headers, Timestamp: event.Timestamp}
}

// Forwarded returns the copy of a command's record that goes to the partition of its aggregate. It
// has the command's first place in its headers.
func Forwarded(command Record, aggregateID string) Record {
	headers := make([]Header, 0, len(command.Headers)+3)
	return Record{Topic: command.Topic, Key: []byte(aggregateID), Value: command.Value, Headers: append(append(headers, command.Headers...),
		Header{Key: HeaderOriginTopic, Value: []byte(command.Topic)},
		Header{Key: HeaderOriginPartition, Value: strconv.AppendInt(nil, int64(command.Partition), 10)},
		Header{Key: HeaderOriginOffset, Value: strconv.AppendInt(nil, command.Offset, 10)},
	)}
}

// framing is more than a batch adds to a single record.
const framing = 1 << 10

// Fits returns nil if the brokers take a record, and otherwise an error that says how much it would
// have.
func Fits(r *Record) error {
	if size := r.Size(); size > topology.MaxBatchBytes-framing {
		return fmt.Errorf("a record for %s would have %d bytes with its key and headers; at most %d fit", r.Topic, size, topology.MaxBatchBytes-framing)
	}
	return nil
}

// DeadLetter returns the record that sets an input of a group aside: the raw input, the cause, its
// coordinates, and its own headers. If that does not fit, the input's headers are left out first,
// then the end of its value, and then that of its key. All of them can be read at the coordinates.
func DeadLetter(in Record, topic, group string, cause error) Record {
	letter := Record{Topic: topic, Key: in.Key, Value: in.Value, Headers: []Header{
		{Key: HeaderDeadLetterCause, Value: []byte(causeText(cause))},
		{Key: HeaderDeadLetterTopic, Value: []byte(in.Topic)},
		{Key: HeaderDeadLetterPartition, Value: strconv.AppendInt(nil, int64(in.Partition), 10)},
		{Key: HeaderDeadLetterOffset, Value: strconv.AppendInt(nil, in.Offset, 10)},
		{Key: HeaderDeadLetterTimestamp, Value: in.Timestamp.UTC().AppendFormat(nil, time.RFC3339Nano)},
		{Key: HeaderDeadLetterGroup, Value: []byte(group)},
	}}
	room := topology.MaxRecordBytes - letter.Size() + len(in.Key) + len(in.Value)
	if len(in.Key)+len(in.Value) > room {
		letter.Key = in.Key[:min(len(in.Key), room)]
		letter.Value = in.Value[:min(len(in.Value), room-len(letter.Key))]
		letter.Headers = append(letter.Headers, Header{Key: HeaderDeadLetterTruncated, Value: []byte("true")})
		return letter
	}
	if in.Size() <= room {
		letter.Headers = append(letter.Headers, in.Headers...)
	}
	return letter
}

// traceparent is version 00 of W3C Trace Context.
var traceparent = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// TraceHeaders returns the trace context that goes to the records that follow from one with this
// traceparent. It is empty if there is none, or one that is not version 00 of W3C Trace Context:
// anybody may have written it, at any length.
func TraceHeaders(parent []byte) []Header {
	if !traceparent.Match(parent) {
		return nil
	}
	return []Header{{Key: HeaderTraceparent, Value: parent}}
}

func causeText(cause error) string {
	text := fmt.Sprint(cause) // fmt survives an Error method that panics
	if len(text) > maxCause {
		text = text[:maxCause]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
