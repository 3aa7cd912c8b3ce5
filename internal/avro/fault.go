package avro

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrNewer is wrapped by the [Fault] of a value that has no place in the reader's type.
var ErrNewer = errors.New("written with a schema that knows more than this reader")

// Fault is a value that can be read but not accepted.
type Fault struct {
	Path    string
	Message string
	newer   bool // the reader has no place for it
}

// Faultf returns a fault without a path.
func Faultf(format string, args ...any) *Fault { return &Fault{Message: fmt.Sprintf(format, args...)} }

// In puts a name before the fault's path.
func (f *Fault) In(name string) *Fault {
	switch {
	case f.Path == "":
		f.Path = name
	case f.Path[0] == '[':
		f.Path = name + f.Path
	default:
		f.Path = name + "." + f.Path
	}
	return f
}

func (f *Fault) Error() string {
	if f.Path == "" {
		return f.Message
	}
	return f.Path + ": " + f.Message
}

// Unwrap makes errors.Is find ErrNewer.
func (f *Fault) Unwrap() error {
	if f.newer {
		return ErrNewer
	}
	return nil
}

// Clip shortens a sender's text before it is repeated in a message.
func Clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return string(bytes.ToValidUTF8([]byte(s[:most]), nil)) + "..."
}
