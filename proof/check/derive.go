package check

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// The functions here compute what contracts fix for ever: partitions, ids, positions.

// partitionOf is Kafka's default: murmur2 of the key without its sign, modulo the count.
func partitionOf(key string, count int) int32 {
	if count <= 0 {
		return 0
	}
	return int32(int(murmur2([]byte(key))&0x7fffffff) % count)
}

func murmur2(data []byte) uint32 {
	const m = uint32(0x5bd1e995)
	h := uint32(0x9747b28c) ^ uint32(len(data))
	whole := len(data) / 4 * 4
	for i := 0; i < whole; i += 4 {
		k := binary.LittleEndian.Uint32(data[i:]) * m
		h = h*m ^ (k^k>>24)*m
	}
	if rest := data[whole:]; len(rest) > 0 {
		for i := range rest {
			h ^= uint32(rest[i]) << (8 * i)
		}
		h *= m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}

// derivedNamespace is the UUID 8f0e2c5b-1d6a-4b37-9c41-f01d106e57a3.
var derivedNamespace = []byte("\x8f\x0e\x2c\x5b\x1d\x6a\x4b\x37\x9c\x41\xf0\x1d\x10\x6e\x57\xa3")

// derivedID is a version 5 UUID of the parts, each ended by a zero byte.
func derivedID(parts ...string) string {
	name := append([]byte(nil), derivedNamespace...)
	name = append(name, strings.Join(parts, "\x00")+"\x00"...)
	sum := sha1.Sum(name)
	sum[6], sum[8] = sum[6]%16+0x50, sum[8]%64+0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func eventID(commandID, aggregateID string, index int) string {
	return derivedID("event", commandID, aggregateID, strconv.Itoa(index))
}

func policyCommandID(policy, event string) string { return derivedID("policy", policy, event, "0") }

// position is a place in the commands of an aggregate type.
type position struct {
	Aggregate string
	Partition int32
	Offset    int64
}

func (p position) String() string { return fmt.Sprintf("%s/%d/%d", p.Aggregate, p.Partition, p.Offset) }

func parsePosition(text string) (position, bool) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return position{}, false
	}
	partition, err1 := strconv.ParseInt(parts[1], 10, 32)
	offset, err2 := strconv.ParseInt(parts[2], 10, 64)
	p := position{parts[0], int32(partition), offset}
	return p, err1 == nil && err2 == nil && p.String() == text
}

// token is the text of a single position as clients get it.
func token(p position) string { return base64.RawURLEncoding.EncodeToString([]byte(p.String())) }

// parseTokens reads one token or several, separated by commas.
func parseTokens(text string) (positions []position, ok bool) {
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		raw, err := base64.RawURLEncoding.DecodeString(one)
		if err != nil {
			return nil, false
		}
		for part := range strings.SplitSeq(string(raw), ",") {
			p, ok := parsePosition(part)
			if !ok {
				return nil, false
			}
			positions = append(positions, p)
		}
	}
	return positions, true
}

// names of topics and groups.
type names struct{ prefix string }

func (n names) commands(aggregate string) string    { return n.prefix + aggregate + ".commands" }
func (n names) events(aggregate string) string      { return n.prefix + aggregate + ".events" }
func (n names) outcomes(aggregate string) string    { return n.prefix + aggregate + ".outcomes" }
func (n names) table(name string) string            { return n.prefix + name + "-table" }
func (n names) rekeyed(projection string) string    { return n.prefix + projection + ".rekeyed" }
func (n names) rekeyGroup(projection string) string { return n.prefix + projection + ".rekey" }
func (n names) group(name string) string            { return n.prefix + name }
func (n names) deadLetters(group string) string     { return group + ".dead-letters" }

const (
	reservedPrefix = "__foldlog-"
	progressPrefix = reservedPrefix + "progress/"

	headerChain       = "foldlog-chain"
	headerCause       = "foldlog-cause"
	headerProgress    = "foldlog-progress"
	headerActor       = "foldlog-actor"
	headerContentType = "content-type"
	headerTraceparent = "traceparent"
	headerOrigin      = "foldlog-origin-" // topic, partition, offset
	// cause, topic, partition, offset, timestamp, group, truncated
	headerDeadLetter = "foldlog-dead-letter-"
	policyActor      = "policy:"

	maxCommandBytes = 1 << 20
	maxIDLength     = 200
)

// whyNoAggregateID returns what is wrong with an aggregate's id, or "".
func whyNoAggregateID(id string) string {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:~"
	switch {
	case id == "" || len(id) > maxIDLength:
		return "length"
	case id == "." || id == ".." || strings.HasPrefix(id, "__"):
		return "reserved"
	case strings.ContainsFunc(id, func(r rune) bool { return !strings.ContainsRune(allowed, r) }):
		return "character"
	}
	return ""
}

// soundCommandID reports whether the text is 1 to 200 visible ASCII characters.
func soundCommandID(id string) bool {
	return id != "" && len(id) <= maxIDLength && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
}
