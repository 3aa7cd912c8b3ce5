// Package account is the aggregate "account": money that a holder keeps with the bank, in one
// currency.
//
// Package bank ties it to its names.
//
// Invariants:
//
//  1. A balance is never below -overdraft_limit (if there is a limit), and always within -2^62 to
//     2^62. Only refunds may lift it further, to 2^63-1.
//  2. An account is opened at most once; closed is for ever.
//  3. Holder id and name, currency and overdraft limit never change.
//  4. The balance is the sum of the events: Deposited, Credited and Refunded less Withdrawn and
//     Debited.
//  5. Debit and Credit are answered by exactly one event each, done or declined: a transfer waits
//     for it. They do not recognise a transfer that they have seen: a repeated command is
//     recognised by its id, before it gets here.
//  6. Every event carries the holder's id and name, so that events can be routed to the holder's
//     row without a lookup. They are "" for an account that was never opened, which only declined.
package account
