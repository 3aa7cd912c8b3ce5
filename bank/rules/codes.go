package rules

import "github.com/foldlog/foldlog"

// Codes of refusals by the bank's deciders. If several apply, the first in this order is given.
// Codes that Foldlog gives itself, such as invalid_field, come before all of them.
//
// NB: must not change. They are stored in outcomes and in the reasons of declined debits and
// credits.
const (
	// CodeUnknownAggregate: the account was never opened.
	CodeUnknownAggregate = foldlog.CodeUnknownAggregate
	// CodeAlreadyExists: the account was opened before, even if it is closed by now.
	CodeAlreadyExists = "already_exists"
	// CodeAccountClosed: the account is closed, for ever.
	CodeAccountClosed = "account_closed"
	// CodeAccountFrozen: the account is frozen.
	CodeAccountFrozen = "account_frozen"
	// CodeCurrencyMismatch: the amount is in another currency than the account.
	CodeCurrencyMismatch = "currency_mismatch"
	// CodeAmountNotPositive: the amount is zero or negative.
	CodeAmountNotPositive = "amount_not_positive"
	// CodeAmountOverflow: the amount is above [MaxAmount], or the balance would leave its range.
	CodeAmountOverflow = "amount_overflow"
	// CodeInsufficientFunds: the balance would fall below the overdraft limit.
	CodeInsufficientFunds = "insufficient_funds"
	// CodeBalanceNotZero: an account is closed only when nothing is on it and nothing is owed.
	CodeBalanceNotZero = "balance_not_zero"
	// CodeSameAccount: a transfer needs two accounts.
	CodeSameAccount = "same_account"
	// CodeWrongState: the command does not fit the state that the account or the transfer is in.
	CodeWrongState = "wrong_state"
)

// Precedence returns the codes in the order in which they are given.
func Precedence() []string {
	return []string{
		foldlog.CodeInvalidField, CodeUnknownAggregate, CodeAlreadyExists, CodeAccountClosed, CodeAccountFrozen, CodeCurrencyMismatch,
		CodeAmountNotPositive, CodeAmountOverflow, CodeInsufficientFunds, CodeBalanceNotZero, CodeSameAccount, CodeWrongState,
	}
}
