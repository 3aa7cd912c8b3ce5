// Package bank is the reference domain: accounts, transfers between them, and four views. It shows
// the parts of a domain of Foldlog, and the system's own tests run on it.
//
// bank/account and bank/transfer are the two aggregates, bank/rules their common rules. This
// package has the policies between them, the projections that fill the views, and the [Topology]
// that names everything. It knows nothing of Kafka; bank/bankapp puts it on the command line.
//
// Invariants:
//
//  1. Everything is a pure function. There is no clock, no randomness and no I/O.
//  2. Money is int64 minor units with a currency. No sum wraps around: amounts and balances are
//     bounded (rules.MaxAmount, rules.MaxBalance), and sums over many accounts stop at the end of
//     the range and say so ([DailyTurnoverRow]).
//  3. Under transfers, the sum of all balances and of the money in flight is constant. Money is in
//     flight from the Debited of one account until the Credited or Refunded of an account. Once the
//     policies have nothing left to do, every transfer is in a final state and nothing is in
//     flight. (The one exception needs more than 4,600 of the largest transfers to come back to an
//     account that was filled up meanwhile: account.Refund.)
//  4. The rows of a re-keyed projection do not depend on the order in which the events of different
//     accounts arrive.
//  5. Old forms of records become today's types in v1.go and nowhere else.
//  6. Names of commands, events, statuses, codes, policies and projections never change: logs,
//     tables and clients hold them.
package bank
