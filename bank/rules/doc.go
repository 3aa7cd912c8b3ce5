// Package rules has the common rules of accounts and transfers: the codes of refusals, the limits
// of amounts, and the checks of single fields.
//
// Invariants:
//
//  1. Every function is pure.
//  2. Codes never change their meaning: they are stored in outcomes and in events, and clients
//     compare them.
//  3. A check of a field knows no state. It gives invalid_field, so it runs before a command
//     reaches the log.
package rules
