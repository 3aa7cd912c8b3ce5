package schemas

import "errors"

var (
	// ErrUnavailable is wrapped by every error that says nothing about the schema asked for: the
	// registry cannot be reached, is overloaded, refuses the credentials, or the context ended. Try
	// again.
	ErrUnavailable = errors.New("schema registry unavailable")
	// ErrUnknownID is wrapped if the registry answered that it has no schema with that id.
	ErrUnknownID = errors.New("schema id unknown to the registry")
	// ErrNotAvro is wrapped if the id belongs to a schema that is not one self-contained Avro
	// schema: another schema language, or references to other subjects.
	ErrNotAvro = errors.New("not a self-contained Avro schema")
	// ErrIncompatible is wrapped if the registry refuses a schema because earlier records could not
	// be read with it.
	ErrIncompatible = errors.New("schema incompatible with an earlier version")
	// ErrInvalid is wrapped if the registry refuses the schema itself.
	ErrInvalid = errors.New("schema refused by the registry")
)

// Problems returns the errors that [Load] joined into err, directly or below an error that adds
// context.
func Problems(err error) []error {
	for at := err; at != nil; at = errors.Unwrap(at) {
		if joined, ok := at.(interface{ Unwrap() []error }); ok {
			return joined.Unwrap()
		}
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
