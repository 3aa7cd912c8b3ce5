package codecs

import (
	"fmt"

	"github.com/foldlog/foldlog/internal/avro"
)

// Undecodable is input that cannot be read and never will be. It is an error; find it with
// errors.As. It belongs into a dead letter.
type Undecodable struct {
	// Raw is the record's value.
	Raw []byte
	// Cause says what is wrong with it.
	Cause error
}

// Error says what is wrong with the input, without repeating the input.
func (u *Undecodable) Error() string {
	return fmt.Sprintf("undecodable value of %d bytes: %v", len(u.Raw), u.Cause)
}

// Unwrap returns the cause.
func (u *Undecodable) Unwrap() error { return u.Cause }

// ErrNewerSchema is wrapped by the error of [New] where the registry has a version that could not
// be read here, and by the cause of an [*Undecodable] whose bytes are sound, but which says
// something that the schemas known here have no place for: most likely a newer version of the
// software wrote it. Upgrade readers before writers. A reader for whom a missing record would be
// worse than a pause may stop on it instead of writing a dead letter.
var ErrNewerSchema = avro.ErrNewer
