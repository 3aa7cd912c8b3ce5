package foldlog

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Position is a place in the command log of an aggregate type: everything that follows from the command at Offset, and
// from those before it in the same partition.
type Position struct {
	Aggregate string
	Partition int32
	Offset    int64
}

// String returns "aggregate/partition/offset".
//
// NB: must not change. Records carry it in headers.
func (p Position) String() string {
	return p.Aggregate + "/" + strconv.Itoa(int(p.Partition)) + "/" + strconv.FormatInt(p.Offset, 10)
}

// ParsePosition reads what [Position.String] wrote.
func ParsePosition(text string) (Position, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 || parts[0] == "" {
		return Position{}, fmt.Errorf("position %q is not aggregate/partition/offset", text)
	}
	partition, err := strconv.ParseInt(parts[1], 10, 32)
	if err != nil || partition < 0 {
		return Position{}, fmt.Errorf("position %q: partition %q is not a number", text, parts[1])
	}
	offset, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || offset < 0 {
		return Position{}, fmt.Errorf("position %q: offset %q is not a number", text, parts[2])
	}
	p := Position{Aggregate: parts[0], Partition: int32(partition), Offset: offset}
	if p.String() != text { // "+1" and "01" are numbers, but not what String writes: one position has one text
		return Position{}, fmt.Errorf("position %q is not written as %q", text, p)
	}
	return p, nil
}

// Token is a set of positions, at most one for each aggregate type and partition. A writer gets one with an accepted command and
// gives it to a read to see the write. Clients treat its text as opaque.
type Token []Position

// String returns the token as text for headers and JSON; "" for an empty one.
//
// NB: must not change. Clients keep tokens across upgrades.
func (t Token) String() string {
	if len(t) == 0 {
		return ""
	}
	sorted := slices.Clone(t)
	slices.SortFunc(sorted, func(a, b Position) int {
		return cmp.Or(strings.Compare(a.Aggregate, b.Aggregate), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	texts := make([]string, len(sorted))
	for i, p := range sorted {
		texts[i] = p.String()
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(texts, ",")))
}

// ParseToken reads what [Token.String] wrote. The empty text is the empty token.
func ParseToken(text string) (Token, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a token: send it exactly as it was received", text)
	}
	var token Token
	for part := range strings.SplitSeq(string(raw), ",") {
		p, err := ParsePosition(part)
		if err != nil {
			return nil, fmt.Errorf("%q is not a token: send it exactly as it was received", text)
		}
		token = append(token, p)
	}
	return token, nil
}

// With returns the token that also covers p.
func (t Token) With(p Position) Token {
	merged := slices.Clone(t)
	for i, have := range merged {
		if have.Aggregate == p.Aggregate && have.Partition == p.Partition {
			merged[i].Offset = max(have.Offset, p.Offset)
			return merged
		}
	}
	return append(merged, p)
}
