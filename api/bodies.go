package api

import (
	"time"

	"github.com/foldlog/foldlog"
)

// Accepted is the outcome of an accepted command.
type Accepted struct {
	CommandID string `json:"command_id"`
	Accepted  bool   `json:"accepted"`
	// FirstVersion and Version are those of the command's first and last event.
	FirstVersion int64     `json:"first_version"`
	Version      int64     `json:"version"`
	EventIDs     []string  `json:"event_ids"`
	RecordedAt   time.Time `json:"recorded_at"`
	// Token makes a read see the command's effect ([HeaderAfter]).
	Token string `json:"token,omitempty"`
	// Repeat says that the command had been executed before, under the same id.
	Repeat bool `json:"repeat,omitempty"`
}

// Rejected is the outcome of a refused command that is asked for later. The command itself is
// answered with a [Problem].
type Rejected struct {
	CommandID  string    `json:"command_id"`
	Accepted   bool      `json:"accepted"` // false
	Code       string    `json:"code"`
	Detail     string    `json:"detail,omitempty"`
	Field      string    `json:"field,omitempty"`
	RecordedAt time.Time `json:"recorded_at"`
}

// State is an aggregate's state.
type State[D any] struct {
	AggregateID string    `json:"aggregate_id"`
	Version     int64     `json:"version"`
	RecordedAt  time.Time `json:"recorded_at"`
	Data        D         `json:"state"`
	// Position covers everything that the server had seen ([HeaderPosition]).
	Position foldlog.Token `json:"-"`
}

// Row is a row of a view.
type Row[D any] struct {
	Key  string `json:"key"`
	Data D      `json:"row"`
	// Version is the version of the projection that the row is of ([HeaderViewVersion]).
	Version int `json:"-"`
	// Position covers everything that the server had seen ([HeaderPosition]).
	Position foldlog.Token `json:"-"`
}

// Page is a part of a view's rows in the order of their keys.
type Page[D any] struct {
	Rows []Row[D] `json:"rows"`
	// Next is the key to read on behind; "" at the end.
	Next string `json:"next,omitempty"`
	// Position covers everything that the server had seen ([HeaderPosition]).
	Position foldlog.Token `json:"-"`
}

// Event is an event of an aggregate: its envelope and the place of its record.
type Event[D any] struct {
	EventID       string    `json:"event_id"`
	EventType     string    `json:"event_type"`
	AggregateID   string    `json:"aggregate_id"`
	Version       int64     `json:"version"`
	RecordedAt    time.Time `json:"recorded_at"`
	CommandID     string    `json:"command_id"`
	CorrelationID string    `json:"correlation_id"`
	// CausationID is the id of the command; nil if the event has none.
	CausationID *string  `json:"causation_id"`
	Actor       string   `json:"actor"`
	Data        D        `json:"data"`
	Log         LogPlace `json:"log"`
}

// LogPlace is the place of an event's record, with its headers.
type LogPlace struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	// Cause is the place of the command, as foldlog.Position writes it; "" if the record does not
	// say.
	Cause string `json:"cause,omitempty"`
	// Chain is the event's link in the hash chain of its aggregate, hexadecimal; "" if the record
	// has none.
	Chain string `json:"chain,omitempty"`
}

// EventPage is a part of an aggregate's events in the order of their versions.
type EventPage[D any] struct {
	Events []Event[D] `json:"events"`
	// Next is the version to read on behind; 0 at the end.
	Next int64 `json:"next,omitempty"`
	// Position covers everything that the server had seen ([HeaderPosition]).
	Position foldlog.Token `json:"-"`
}

// Trace is a conversation as a tree: commands, under them their events, under those the commands
// that policies sent because of them.
type Trace[D any] struct {
	// ID is the id that was asked for.
	ID             string             `json:"id"`
	CorrelationIDs []string           `json:"correlation_ids"`
	Commands       []TracedCommand[D] `json:"commands"`
	// Truncated says that only the oldest part is here.
	Truncated bool `json:"truncated,omitempty"`
	// Position covers everything that the server had seen ([HeaderPosition]).
	Position foldlog.Token `json:"-"`
}

// TracedCommand is a command with its result.
type TracedCommand[D any] struct {
	Aggregate   string `json:"aggregate"`
	AggregateID string `json:"aggregate_id"`
	CommandID   string `json:"command_id"`
	// CommandType is "" if the outcome is beyond the horizon.
	CommandType   string `json:"command_type,omitempty"`
	CorrelationID string `json:"correlation_id"`
	// Actor is "" if it is not known: of a command without events that no policy sent.
	Actor      string    `json:"actor,omitempty"`
	RecordedAt time.Time `json:"recorded_at"`
	Accepted   bool      `json:"accepted"`
	// Code, Detail and Field say why, if the command was refused.
	Code   string           `json:"code,omitempty"`
	Detail string           `json:"detail,omitempty"`
	Field  string           `json:"field,omitempty"`
	Events []TracedEvent[D] `json:"events"`
}

// TracedEvent is an event with the commands that follow from it.
type TracedEvent[D any] struct {
	Event[D]
	Commands []TracedCommand[D] `json:"commands"`
}
