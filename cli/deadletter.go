package cli

import (
	"cmp"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/codecs"
)

// deadLetter is a record of a dead letter topic.
type deadLetter struct {
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Group     string    `json:"group"`
	Source    place     `json:"source"`
	Key       *raw      `json:"key"`
	Cause     string    `json:"cause"`
	WrittenAt time.Time `json:"written_at"`
	// Size is that of the value in bytes.
	Size    int      `json:"size"`
	Headers []header `json:"headers,omitempty"`
	Value   *raw     `json:"value,omitempty"`
}

// place says where the input stood.
type place struct {
	Topic     string `json:"topic"`
	Partition string `json:"partition"`
	Offset    string `json:"offset"`
}

func (p place) String() string { return p.Topic + "/" + p.Partition + "/" + p.Offset }

type header struct {
	Name  string `json:"name"`
	Value *raw   `json:"value"`
}

// newDeadLetter copies what it needs out of the record.
func newDeadLetter(r *kgo.Record) *deadLetter {
	l := &deadLetter{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
		Key: newRaw(r.Key), Value: newRaw(r.Value), Size: len(r.Value), WrittenAt: r.Timestamp.UTC(),
	}
	for _, h := range r.Headers {
		text := visible(h.Value)
		switch h.Key {
		case codecs.HeaderDeadLetterCause:
			l.Cause = text
		case codecs.HeaderDeadLetterGroup:
			l.Group = text
		case codecs.HeaderDeadLetterTopic:
			l.Source.Topic = text
		case codecs.HeaderDeadLetterPartition:
			l.Source.Partition = text
		case codecs.HeaderDeadLetterOffset:
			l.Source.Offset = text
		}
		l.Headers = append(l.Headers, header{h.Key, newRaw(h.Value)})
	}
	return l
}

// Place returns "topic/partition/offset", as dead-letters show takes it.
func (l *deadLetter) Place() string {
	return place{l.Topic, strconv.Itoa(int(l.Partition)), strconv.FormatInt(l.Offset, 10)}.String()
}

func newestFirst(a, b *deadLetter) int {
	return cmp.Or(b.WrittenAt.Compare(a.WrittenAt), strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition),
		cmp.Compare(b.Offset, a.Offset))
}

// raw is bytes that may be text or not.
type raw struct {
	Text string `json:"text,omitempty"`
	// Hex has the bytes where they are no text.
	Hex string `json:"hex,omitempty"`
}

// newRaw returns nil for nil.
func newRaw(b []byte) *raw {
	if b == nil {
		return nil
	}
	if printable(b) {
		return &raw{Text: string(b)}
	}
	return &raw{Hex: hex.EncodeToString(b)}
}

// printable reports whether the bytes are text that a terminal shows as it is.
func printable(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			return false
		}
	}
	return true
}

// visible returns text without what a terminal would act on.
func visible(b []byte) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(b), "\uFFFD"))
}

func (r *raw) form() string {
	if r.Hex != "" {
		return "hex"
	}
	return "text"
}

func (r *raw) String() string {
	switch {
	case r == nil:
		return "nil"
	case r.Hex != "":
		return "0x" + r.Hex
	}
	return r.Text
}

// short returns the text in one line of at most n characters.
func (r *raw) short(n int) string { return oneLine(r.String(), n) }

// oneLine returns the text without line breaks and tabs, cut to n characters.
func oneLine(text string, n int) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return text
}
