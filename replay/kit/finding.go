package kit

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/foldlog/foldlog/internal/record"
)

// Check names the kind of a finding.
//
// NB: must not change. Scripts and alerts carry them.
type Check string

// Checks.
const (
	CheckDecode    Check = "undecodable"     // a record cannot be read
	CheckPartition Check = "wrong_partition" // a record is not in the partition of its key
	CheckKey       Check = "key"             // a record's key is not what its value says
	CheckCause     Check = "cause"           // a record does not name the place of its command
	CheckOrder     Check = "order"           // records do not stand in the order of their commands
	CheckVersion   Check = "version"         // versions are not 1, 2, 3 ...
	CheckChain     Check = "chain"           // an event is not the one that was chained
	CheckEventID   Check = "event_id"        // an event's id does not follow from its command
	CheckTime      Check = "time"            // recorded_at goes backwards or is not the command's
	CheckCommand   Check = "command"         // a command is missing or another one
	// a policy's own command was carried out, and no policy sent it
	CheckSender Check = "sender"
	// an outcome is missing, double, or does not match its events
	CheckOutcome Check = "outcome"
	// events are missing, or are there without an accepted outcome
	CheckEvents Check = "events"
	// a row of an aggregate's table is not the fold of its events
	CheckState Check = "state"
	// a row of a projection's table is not the fold of its events
	CheckRow Check = "row"
	// a re-keyed topic is not the events that it should carry
	CheckRekey Check = "rekey"
	// The answer over HTTP is not the fold of the events.
	CheckView  Check = "view"
	CheckStart Check = "start" // the beginning of a log that is kept for ever is gone
)

// Finding is one thing that is not as it must be.
type Finding struct {
	Check Check `json:"check"`
	// Topic, Partition and Offset are the record's place. Offset is -1 if there is no record, and
	// Partition if the place is not in Kafka.
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	// Part is the aggregate type or projection, Key the aggregate's id or the row's key.
	Part string `json:"part"`
	Key  string `json:"key"`
	// Version is the event's or row's version; 0 if it is not known.
	Version int64 `json:"version,omitempty"`
	// Want is the expected value, Have the found one.
	Want string `json:"want"`
	Have string `json:"have"`
}

// String returns the finding in one line.
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(f.Topic)
	if f.Partition >= 0 {
		fmt.Fprintf(&b, "/%d", f.Partition)
	}
	if f.Offset >= 0 {
		fmt.Fprintf(&b, "/%d", f.Offset)
	}
	fmt.Fprintf(&b, ": %s: %s", f.Check, f.Part)
	if f.Key != "" {
		fmt.Fprintf(&b, " %q", f.Key)
	}
	if f.Version > 0 {
		fmt.Fprintf(&b, " version %d", f.Version)
	}
	fmt.Fprintf(&b, ": expected %s; found %s", f.Want, f.Have)
	return b.String()
}

// At returns the finding about a record, of an aggregate type or projection.
func At(r *record.Record, part string) Finding {
	return Finding{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Part: part, Key: string(r.Key)}
}

// Says returns the finding with the expected and the found value.
func (f Finding) Says(check Check, want, have string) Finding {
	f.Check, f.Want, f.Have = check, want, have
	return f
}

// longest is how much of a value a finding shows, in bytes.
const longest = 600

// Clip returns the beginning of a text, as much of it as a finding shows.
func Clip(text string) string {
	if len(text) > longest {
		return strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}

// ShortHash returns the beginning of a hash.
func ShortHash(hash []byte) string {
	if len(hash) == 0 {
		return "none"
	}
	return hex.EncodeToString(hash[:min(6, len(hash))]) + "…"
}
