package foldlog

import "time"

// Outcome is the result of one command: accepted with its events, or rejected with a code. Each
// command has exactly one. Later answers to the same command id are copies of it, marked Repeat.
// Only a [CodeInternal] is not repeated: it recorded nothing, so the next command with the id is a
// new attempt.
type Outcome struct {
	CommandID   string
	AggregateID string
	// CommandType is the declared name of the command, or the sender's text if that is unknown.
	CommandType string
	Accepted    bool
	// FirstVersion and Version are the versions of the command's first and last event. If an
	// accepted command caused none, FirstVersion is 0 and Version is the aggregate's version at
	// that time.
	FirstVersion int64
	Version      int64
	EventIDs     []string
	// Code, Message and Field give the reason if the command was rejected.
	Code    string
	Message string
	Field   string
	// RecordedAt is when the log recorded the command that this is the outcome of.
	RecordedAt time.Time
	// CorrelationID is the command's.
	CorrelationID string
	// PayloadHash is the SHA-256 that decides whether a second command with this id is the same
	// one.
	PayloadHash []byte
	// Position is the place of the command in its log.
	Position Position
	// Actor names the sender, in the form of [Meta.Actor]; "" in an outcome of a version of Foldlog
	// that did not record it.
	Actor string
	// Repeat marks a copy that answers a repeated command id. Copies do not count as outcomes.
	Repeat bool
}

// Rejection returns the reason why the command was refused, or nil if it was accepted.
func (o Outcome) Rejection() *Rejection {
	if o.Accepted {
		return nil
	}
	return &Rejection{Code: o.Code, Message: o.Message, Field: o.Field}
}

// Token returns the token that makes a later read see the command's effect. It is empty if there is
// no effect.
func (o Outcome) Token() Token {
	if !o.Accepted || len(o.EventIDs) == 0 {
		return nil
	}
	return Token{o.Position}
}
