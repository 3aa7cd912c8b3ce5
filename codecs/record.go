package codecs

import "github.com/foldlog/foldlog/internal/record"

// Record is a Kafka record.
type Record = record.Record

// Header is a header of a record.
type Header = record.Header

// Names of headers.
//
// NB: must not change. Records in logs carry them.
const (
	// HeaderChain has the 32 raw bytes of the event's link in the hash chain of its aggregate.
	HeaderChain = "foldlog-chain"
	// HeaderCause has the position of the command that an event or outcome follows from, in the
	// form of foldlog.Position.
	HeaderCause = "foldlog-cause"
	// HeaderProgress marks a progress record. It has the position up to which everything is
	// complete.
	HeaderProgress = record.HeaderProgress
	// HeaderActor has the identity that the writer of a command vouches for. Without it the
	// record's own actor is only a claim.
	HeaderActor = "foldlog-actor"
	// HeaderContentType names the value's encoding: ContentTypeAvro or ContentTypeJSON.
	HeaderContentType = "content-type"
	// HeaderTraceparent has the W3C trace context.
	HeaderTraceparent = "traceparent"
	// HeaderOriginTopic, HeaderOriginPartition and HeaderOriginOffset have the first place of a
	// forwarded command.
	HeaderOriginTopic     = "foldlog-origin-topic"
	HeaderOriginPartition = "foldlog-origin-partition"
	HeaderOriginOffset    = "foldlog-origin-offset"
	// Headers of dead letters: why, where the record stood, when the log recorded it, and which
	// consumer group could not handle it.
	HeaderDeadLetterCause     = "foldlog-dead-letter-cause"
	HeaderDeadLetterTopic     = "foldlog-dead-letter-topic"
	HeaderDeadLetterPartition = "foldlog-dead-letter-partition"
	HeaderDeadLetterOffset    = "foldlog-dead-letter-offset"
	HeaderDeadLetterTimestamp = "foldlog-dead-letter-timestamp"
	HeaderDeadLetterGroup     = "foldlog-dead-letter-group"
	// HeaderDeadLetterTruncated is "true" if the value or the key was too large to be kept in
	// full.
	HeaderDeadLetterTruncated = "foldlog-dead-letter-truncated"
	// Copies of CloudEvents attributes, for routing. The envelope is the truth.
	HeaderCESpecVersion = "ce_specversion"
	HeaderCEID          = "ce_id"
	HeaderCESource      = "ce_source"
	HeaderCEType        = "ce_type"
	HeaderCETime        = "ce_time"
	HeaderCESubject     = "ce_subject"
)

// Forms of actors, by the party that names them.
//
// NB: must not change. Events carry them.
const (
	// PolicyActorPrefix comes before the name of the policy that sent a command.
	PolicyActorPrefix = "policy:"
	// ClaimedActorPrefix comes before a producer's name for itself.
	ClaimedActorPrefix = "claimed:"
	// AnonymousActor is a sender without a name.
	AnonymousActor = "anonymous"
)

// Content types of values.
const (
	ContentTypeAvro = "application/avro"
	ContentTypeJSON = "application/json"
)

// Raw is the codec for stream libraries that insist on one (it has the methods of a goka.Codec):
// bytes in, the same bytes out, never an error. The bytes are decoded later, so that a failure
// becomes a dead letter instead of stopping the reader.
type Raw struct{}

// Encode returns the bytes, which must be a []byte or nil. Anything else is a defect of the caller
// and panics.
func (Raw) Encode(value any) ([]byte, error) {
	if value == nil {
		return nil, nil
	}
	return value.([]byte), nil
}

// Decode returns the bytes unchanged.
func (Raw) Decode(data []byte) (any, error) { return data, nil }
