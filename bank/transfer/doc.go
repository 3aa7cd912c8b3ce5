// Package transfer is the aggregate "transfer": the process that moves money from one account to
// another.
//
// Package bank ties it to its names and, by policies, to the accounts.
//
// Invariants:
//
//  1. A transfer goes requested -> refused, or requested -> debited -> completed, or requested ->
//     debited -> returning -> returned; refused, completed and returned are final. Any other step
//     is wrong_state.
//  2. Parties, amount and currency never change, and every event carries them: policies keep no
//     state.
//  3. Money in flight is in the transfer, from the account's Debited until its Credited or
//     Refunded.
package transfer
