// Package banknext is a release of the bank that might be the next one: balances have a column
// more, and holders other rows. It is what docs/read-models.md shows, for the tests of rebuilding
// and for the torture program, which rebuilds under faults.
//
// Invariants:
//
//  1. All but the changed projections is the bank as it is shipped.
package banknext
