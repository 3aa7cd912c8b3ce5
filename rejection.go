package foldlog

import (
	"errors"
	"fmt"
)

// Codes that Foldlog itself gives. A domain adds its own, in lower case with underscores.
//
// Precedence inside the log: malformed, invalid_field, key_mismatch, command_id_reused,
// version_conflict, then the decider's codes.
//
// NB: must not change. They are stored in outcomes and compared by clients.
const (
	CodeMalformed        = "malformed"
	CodeInvalidField     = "invalid_field"
	CodeKeyMismatch      = "key_mismatch"
	CodeCommandIDReused  = "command_id_reused"
	CodeVersionConflict  = "version_conflict"
	CodeUnknownAggregate = "unknown_aggregate"
	CodeNotFound         = "not_found"
	CodeOutcomeUnknown   = "outcome_unknown"
	CodeNotYetVisible    = "not_yet_visible"
	CodeInternal         = "internal_error"
	CodeTooLarge         = "too_large"
)

// Rejection is a refusal: the command was understood and changes nothing. It is an ordinary
// outcome, not a failure.
type Rejection struct {
	// Code is stable and meant for programs.
	Code string
	// Message is meant for people and may change.
	Message string
	// Field names the offending field of the payload, for [CodeInvalidField].
	Field string
}

// Error returns "code: message", with the field's name if there is one.
func (r *Rejection) Error() string {
	if r.Field != "" {
		return fmt.Sprintf("%s: %s: %s", r.Code, r.Field, r.Message)
	}
	return r.Code + ": " + r.Message
}

// Reject returns a [*Rejection] with a formatted message.
func Reject(code, format string, args ...any) *Rejection {
	return &Rejection{Code: code, Message: fmt.Sprintf(format, args...)}
}

// InvalidField returns the rejection of one field of a payload.
func InvalidField(field, format string, args ...any) *Rejection {
	return &Rejection{Code: CodeInvalidField, Field: field, Message: fmt.Sprintf(format, args...)}
}

// AsRejection returns the rejection that err is or wraps.
func AsRejection(err error) (*Rejection, bool) {
	var r *Rejection
	ok := errors.As(err, &r)
	return r, ok
}

// Unhandled returns the error for a value that a type switch does not know. A decider returns it
// for an unknown command and panics with it for an unknown event; both mean that the domain and its
// topology disagree.
func Unhandled(value any) error {
	return fmt.Errorf("%T is declared in the topology but not handled by the domain; add a case for it", value)
}
