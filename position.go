package foldlog

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Position is a place in the command log of an aggregate type: everything that follows from the
// command at Offset, and from those before it in the same partition.
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

// ParsePosition reads the text of [Position.String].
func ParsePosition(text string) (Position, error) {
	aggregate, rest, _ := strings.Cut(text, "/")
	first, second, both := strings.Cut(rest, "/")
	if !both || aggregate == "" || strings.Contains(second, "/") {
		return Position{}, fmt.Errorf("position %q is not aggregate/partition/offset", text)
	}
	partition, err := parseNumber(first, 32)
	if err != nil {
		return Position{}, fmt.Errorf("position %q: the partition %w", text, err)
	}
	offset, err := parseNumber(second, 64)
	if err != nil {
		return Position{}, fmt.Errorf("position %q: the offset %w", text, err)
	}
	return Position{Aggregate: aggregate, Partition: int32(partition), Offset: offset}, nil
}

// parseNumber reads a number from 0 on as String writes it, and no other way: "+1" and "01" are
// numbers, too, but one position has one text.
func parseNumber(text string, bits int) (int64, error) {
	n, err := strconv.ParseInt(text, 10, bits)
	if err != nil || text[0] == '-' || text[0] == '+' || text[0] == '0' && len(text) > 1 {
		return 0, fmt.Errorf("%q is not a number from 0 on in plain digits", text)
	}
	return n, nil
}

// Token is a set of positions, at most one for each aggregate type and partition. A writer gets one
// with an accepted command and gives it to a read to see the write. Clients treat its text as
// opaque.
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

// ParseToken reads the text of [Token.String]. The empty text is the empty token.
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
