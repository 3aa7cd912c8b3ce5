package rules

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/foldlog/foldlog"
)

// Lengths of texts, in characters (Unicode code points).
const (
	MaxHolderLength    = 200
	MaxReferenceLength = 200
	MaxChannelLength   = 50
	MaxReasonLength    = 500
)

// CheckHolderID returns nil if the id of an account holder is valid: 1 to 200 characters, not all
// blank. It is also the key of a view, so it has at most 512 bytes and does not start with
// [foldlog.ReservedKeyPrefix].
func CheckHolderID(field, id string) error {
	switch {
	case strings.TrimSpace(id) == "":
		return foldlog.InvalidField(field, "is empty or blank; say who holds the account")
	case len(id) > foldlog.MaxViewKeyLength:
		return foldlog.InvalidField(field, "has %d bytes; at most %d are allowed, since it is the key of a view",
			len(id), foldlog.MaxViewKeyLength)
	case strings.HasPrefix(id, foldlog.ReservedKeyPrefix):
		return foldlog.InvalidField(field, "must not start with %q", foldlog.ReservedKeyPrefix)
	}
	return CheckText(field, id, MaxHolderLength)
}

// CheckHolderName returns nil if the name of an account holder is valid: 1 to 200 characters, not
// all blank.
func CheckHolderName(field, name string) error {
	if strings.TrimSpace(name) == "" {
		return foldlog.InvalidField(field, "is empty or blank; name who holds the account")
	}
	return CheckText(field, name, MaxHolderLength)
}

// CheckText returns nil if a text is valid: UTF-8 of at most limit characters. It may be empty.
func CheckText(field, text string, limit int) error {
	if !utf8.ValidString(text) {
		return foldlog.InvalidField(field, "is not UTF-8")
	}
	if n := utf8.RuneCountInString(text); n > limit {
		return foldlog.InvalidField(field, "has %d characters; at most %d are allowed", n, limit)
	}
	return nil
}

// CheckCurrency returns nil if a currency is valid: three letters A to Z. It does not consult ISO
// 4217, since that list changes.
func CheckCurrency(field, currency string) error {
	ok := len(currency) == 3
	for i := 0; ok && i < len(currency); i++ {
		ok = currency[i] >= 'A' && currency[i] <= 'Z'
	}
	if !ok {
		return foldlog.InvalidField(field, "is %q; use the three capital letters of ISO 4217, such as \"EUR\"", currency)
	}
	return nil
}

// CheckOverdraftLimit returns nil if an overdraft limit is valid: 0 to [MaxAmount], or
// [UnlimitedOverdraft].
func CheckOverdraftLimit(field string, limit int64) error {
	if limit < UnlimitedOverdraft || limit > MaxAmount {
		return foldlog.InvalidField(field, "is %d; use 0 to %d, or %d for no limit", limit, int64(MaxAmount), UnlimitedOverdraft)
	}
	return nil
}

// CheckDate returns nil if an optional date is valid: a day of the calendar, written YYYY-MM-DD.
func CheckDate(field string, date *string) error {
	if date == nil {
		return nil
	}
	if _, err := time.Parse(time.DateOnly, *date); err != nil {
		return foldlog.InvalidField(field, "is %q; use a day of the calendar, such as \"2026-01-31\"", *date)
	}
	return nil
}

// CheckID returns nil if a field is a valid id of an aggregate.
func CheckID(field, id string) error {
	if r, bad := foldlog.AsRejection(foldlog.CheckAggregateID(id)); bad {
		return foldlog.InvalidField(field, "%s", r.Message)
	}
	return nil
}
