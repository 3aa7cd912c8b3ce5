package node

import "fmt"

// Kind says who has to act on an error.
type Kind int

// Kinds of errors. Their numbers are the exit codes of the command line.
//
// NB: must not change. Scripts depend on them.
const (
	// Finding means that what is there is not as declared: a lint finding, a topic that differs.
	Finding Kind = 1
	// Usage means that the options are wrong.
	Usage Kind = 2
	// Infrastructure means that something outside the program is in the way: a taken port, a full
	// disk.
	Infrastructure Kind = 3
)

// Error is an error with its kind. An error of [Run] that has none counts as [Infrastructure].
type Error struct {
	Kind Kind
	Err  error
}

// Errorf returns an error of this kind. It formats like fmt.Errorf.
func (k Kind) Errorf(format string, args ...any) error {
	return &Error{Kind: k, Err: fmt.Errorf(format, args...)}
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error without its kind.
func (e *Error) Unwrap() error { return e.Err }
