package contract

import (
	"encoding/base64"
	"encoding/binary"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"
)

// masks replaces what differs between two runs of one build.
type masks struct {
	replacements []string // from, to, from, to ...
}

func (m *masks) add(from, to string) { m.replacements = append(m.replacements, from, to) }

var (
	labelValues = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	places      = regexp.MustCompile(`\b((?:account|transfer)(?:\.[a-z-]+)?/\d+)/\d+\b`)
	token       = regexp.MustCompile(`\b[A-Za-z0-9_-]{12,}\b`)
	text        = []struct {
		pattern *regexp.Regexp
		mask    string
	}{
		{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`), "<time>"},
		{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?`), "<time>"},
		{regexp.MustCompile(`(?m)^Date: .*$`), "Date: <time>"},
		{regexp.MustCompile(`(?m)^Content-Length: .*$`), "Content-Length: <n>"},
		{regexp.MustCompile(`\b20\d\d-\d\d-\d\d\b`), "<day>"},
		{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "<hash>"},
		// Random ids are UUIDs of version 4; those that are computed are of version 5, and kept.
		{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "<random id>"},
		{regexp.MustCompile(`(offset(?:": ?| |=)"?)\d+`), "$1<offset>"},
		{regexp.MustCompile(`(foldlog-dead-letter-offset[^0-9]+)\d+`), "$1<offset>"},
		{regexp.MustCompile(`("took": |per_second": )\d+`), "$1<n>"},
		{regexp.MustCompile(`\d+ (events|records)/s`), "<n> $1/s"},
		{regexp.MustCompile(`(more, |"bytes": )[1-9]\d*( bytes)?`), "$1<n>$2"},
		{regexp.MustCompile(`\bgo1\.\d+(\.\d+)?\b`), "<go>"},
		{regexp.MustCompile(regexp.QuoteMeta(runtime.GOOS + "/" + runtime.GOARCH)), "<platform>"},
		{regexp.MustCompile(`\b\d+(\.\d+)?(ns|µs|ms|s)\b`), "<duration>"},
		{regexp.MustCompile(`127\.0\.0\.1:[1-9]\d{4}\b`), "<address>"},
	}
)

func (m *masks) apply(shown string) string {
	shown = strings.NewReplacer(m.replacements...).Replace(shown)
	shown = token.ReplaceAllStringFunc(shown, func(word string) string {
		decoded, err := base64.RawURLEncoding.DecodeString(word)
		if err != nil || !places.Match(decoded) {
			return word
		}
		return "<token of " + places.ReplaceAllString(string(decoded), "$1/<offset>") + ">"
	})
	shown = places.ReplaceAllString(shown, "$1/<offset>")
	for _, t := range text {
		shown = t.pattern.ReplaceAllString(shown, t.mask)
	}
	return shown
}

// value masks the bytes of an Avro value: times of today as numbers, places of records, and hashes
// that contain times. Everything else stays as it is.
func value(raw []byte, hashes map[string]bool) string {
	var masked strings.Builder
	for i := 0; i < len(raw); {
		if n := timeLength(raw[i:]); n > 0 {
			masked.WriteString("<time>")
			i += n
			continue
		}
		if i+32 <= len(raw) && hashes[string(raw[i:i+32])] {
			masked.WriteString("<hash>")
			i += 32
			continue
		}
		if n, place := placeLength(raw[i:]); n > 0 {
			masked.WriteString("<" + place + "/offset>")
			i += n
			continue
		}
		masked.WriteByte(raw[i])
		i++
	}
	return masked.String()
}

// timeLength returns how many bytes of an Avro long lead raw, if that is a time close to now in
// microseconds or milliseconds; else 0.
func timeLength(raw []byte) int {
	number, n := binary.Varint(raw)
	if n < 6 {
		return 0
	}
	for _, at := range []time.Time{time.UnixMicro(number), time.UnixMilli(number)} {
		if age := time.Since(at); -time.Minute < age && age < 10*time.Minute {
			return n
		}
	}
	return 0
}

var leadingPlace = regexp.MustCompile(`^((?:account|transfer)/\d+)/\d+`)

// placeLength returns how many bytes of an Avro string lead raw, if that is the place of a record;
// else 0. Its length has the number of the offset's digits in it.
func placeLength(raw []byte) (int, string) {
	if len(raw) < 2 || int(raw[0]) != 2*len(leadingPlace.Find(raw[1:])) || raw[0] == 0 {
		return 0, ""
	}
	match := leadingPlace.FindSubmatch(raw[1:])
	return 1 + len(match[0]), string(match[1])
}

// output collects what a process writes.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
