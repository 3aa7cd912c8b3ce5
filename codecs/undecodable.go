package codecs

import (
	"fmt"

	"github.com/foldlog/foldlog/internal/avro"
)

// Undecodable is input that can never be read. It is an error; find it with errors.As. It belongs
// into a dead letter.
type Undecodable struct {
	// Raw is the record's value.
	Raw []byte
	// Cause says why it cannot be read.
	Cause error
}

// Error says why the input cannot be read, without repeating the input.
func (u *Undecodable) Error() string {
	return fmt.Sprintf("undecodable value of %d bytes: %v", len(u.Raw), u.Cause)
}

// Unwrap returns the cause.
func (u *Undecodable) Unwrap() error { return u.Cause }

// ErrNewerSchema is wrapped by the error of [New] if the registry has a version that could not be
// read here. It is also wrapped by the cause of an [*Undecodable] whose bytes are sound, but hold a
// value without a place in the schemas known here: most likely a newer release wrote it. Upgrade
// readers before writers. A reader that prefers a pause to a missing record may stop on it instead
// of writing a dead letter.
var ErrNewerSchema = avro.ErrNewer
