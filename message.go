package foldlog

import "time"

// Meta is the metadata of a command or an event.
type Meta struct {
	// AggregateID is the id of the aggregate that the command addresses or that the event belongs
	// to.
	AggregateID string
	// CommandID is the command's own id; for an event, the id of the command that caused it.
	CommandID string
	// CorrelationID is shared by all commands and events of one conversation, across aggregates.
	CorrelationID string
	// CausationID is the direct cause: the event that a policy reacted to, or empty if a client
	// sent the command. For an event it is the id of its command.
	CausationID string
	// Actor names the sender: a verified identity, "anonymous", "claimed:NAME" (a Kafka producer's
	// own, unverified word) or "policy:NAME".
	Actor string
	// RecordedAt is when the log recorded the command, in UTC with microseconds. Events carry the
	// time of their command, and it never goes backwards within an aggregate.
	RecordedAt time.Time
}

// Command is an intent addressed to one aggregate. C is the domain's command type, usually an
// interface over its command structs.
type Command[C any] struct {
	Meta
	// ExpectedVersion, when not nil, is the version that the aggregate must have: 0 means that it
	// must not exist yet.
	ExpectedVersion *int64
	Data            C
}

// Event is a fact of one aggregate. E is the domain's event type, usually an interface over its
// event structs.
type Event[E any] struct {
	Meta
	// EventID is [EventID] of the command and the event's place among the command's events.
	EventID string
	// Type is the event's declared name, such as "Deposited".
	Type string
	// Version is the 1-based count of the aggregate's events up to and including this one.
	Version int64
	Data    E
}

// Send is a command that a policy wants sent. Its id, correlation, causation and actor are filled
// in from the event that the policy reacted to.
type Send struct {
	// Aggregate is the declared name of the aggregate type, such as "account".
	Aggregate string
	// ID is the aggregate's id.
	ID string
	// Command is the payload, a value of one of the command types declared for the aggregate.
	Command any
}

// Validator is implemented by command types that can be refused without any state: an empty name,
// an impossible date. Validate runs before the command is written to the log, if the sender can be
// answered at once, and again before it is decided. It returns nil or a [*Rejection], normally
// [InvalidField].
type Validator interface {
	Validate() error
}
