package rules

import "github.com/foldlog/foldlog"

// Limits of money, in minor units of the currency (cents, haleru).
//
// NB: must not become smaller. Amounts within them are stored.
const (
	// MaxAmount is the largest amount of one movement, and the largest overdraft limit.
	MaxAmount = 1_000_000_000_000_000
	// MaxBalance is the highest balance that a deposit or a credit may lead to. -MaxBalance is the
	// lowest that a withdrawal or a debit may lead to. It is half of int64's range; the upper half
	// is kept free for refunds.
	MaxBalance = 1 << 62
	// UnlimitedOverdraft is the overdraft limit of an account that may owe any amount, down to
	// -MaxBalance.
	UnlimitedOverdraft = -1
)

// RefuseAmount returns why no movement can have the amount, or nil: it must be 1 to [MaxAmount].
func RefuseAmount(amount int64) *foldlog.Rejection {
	switch {
	case amount <= 0:
		return foldlog.Reject(CodeAmountNotPositive, "the amount is %d; it must be at least 1", amount)
	case amount > MaxAmount:
		return foldlog.Reject(CodeAmountOverflow, "the amount is %d; it must be at most %d", amount, int64(MaxAmount))
	}
	return nil
}
