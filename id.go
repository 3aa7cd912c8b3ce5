package foldlog

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxIDLength is the largest length of an aggregate id or a command id, in bytes.
const MaxIDLength = 200

// MaxViewKeyLength is the largest length of a key that a projection computes, in bytes.
const MaxViewKeyLength = 512

// ReservedKeyPrefix starts keys of Foldlog's own records in tables and re-keyed topics.
//
// NB: must not change. Tables contain such keys.
const ReservedKeyPrefix = "__foldlog-"

// CheckAggregateID returns nil if an aggregate's id is valid: 1 to 200 ASCII letters, digits and
// "-_.:~", not starting with "__" and neither "." nor "..".
func CheckAggregateID(id string) error {
	switch {
	case id == "":
		return InvalidField("aggregate_id", "is empty")
	case len(id) > MaxIDLength:
		return InvalidField("aggregate_id", "has %d characters; at most %d are allowed", len(id), MaxIDLength)
	case id == "." || id == "..":
		return InvalidField("aggregate_id", "must not be %q", id)
	case strings.HasPrefix(id, "__"):
		return InvalidField("aggregate_id", "must not start with \"__\"")
	}
	for i := 0; i < len(id); i++ {
		c := id[i]
		letterOrDigit := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letterOrDigit && strings.IndexByte("-_.:~", c) < 0 {
			return InvalidField("aggregate_id", "has the character %q; ASCII letters, digits and - _ . : ~ are allowed", c)
		}
	}
	return nil
}

// CheckViewKey returns nil if a computed key is valid: 1 to 512 bytes of UTF-8, not starting with
// [ReservedKeyPrefix].
func CheckViewKey(key string) error {
	switch {
	case key == "":
		return InvalidField("key", "is empty")
	case len(key) > MaxViewKeyLength:
		return InvalidField("key", "has %d bytes; at most %d are allowed", len(key), MaxViewKeyLength)
	case !utf8.ValidString(key):
		return InvalidField("key", "is not UTF-8: %q", key)
	case strings.HasPrefix(key, ReservedKeyPrefix):
		return InvalidField("key", "is %q; keys that start with %q are reserved", key, ReservedKeyPrefix)
	}
	return nil
}

// CheckCommandID returns nil if a command's id is valid: 1 to 200 visible ASCII characters.
func CheckCommandID(id string) error {
	if id == "" {
		return InvalidField("command_id", "is empty")
	}
	if len(id) > MaxIDLength {
		return InvalidField("command_id", "has %d characters; at most %d are allowed", len(id), MaxIDLength)
	}
	for i := 0; i < len(id); i++ {
		if id[i] <= ' ' || id[i] > '~' {
			return InvalidField("command_id", "has the character %q; visible ASCII characters are allowed", id[i])
		}
	}
	return nil
}

// namespace is the UUID namespace of all derived ids.
//
// NB: must not change, or events and commands that are delivered twice would no longer be
// recognised.
var namespace = [16]byte{0x8f, 0x0e, 0x2c, 0x5b, 0x1d, 0x6a, 0x4b, 0x37, 0x9c, 0x41, 0xf0, 0x1d, 0x10, 0x6e, 0x57, 0xa3}

// EventID returns the id of a command's event: a version 5 UUID (RFC 9562, section 5.5) of the
// command's id, the aggregate's id and the event's 0-based place among the command's events.
func EventID(commandID, aggregateID string, index int) string {
	return uuid5("event", commandID, aggregateID, strconv.Itoa(index))
}

// PolicyCommandID returns the id of a command that a policy sends: a version 5 UUID of the policy's
// name, the id of the event it reacts to and the command's 0-based place among the reactions.
func PolicyCommandID(policy, eventID string, index int) string {
	return uuid5("policy", policy, eventID, strconv.Itoa(index))
}

func uuid5(parts ...string) string {
	h := sha1.New()
	h.Write(namespace[:])
	for _, p := range parts {
		h.Write([]byte(p))
		// no part contains a zero byte, so different parts never give the same input
		h.Write([]byte{0})
	}
	sum := h.Sum(nil)[:16]
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	text := hex.EncodeToString(sum)
	return text[0:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
