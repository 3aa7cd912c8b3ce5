// Package planted holds deliberate breakages and crash points. A checker that was never seen
// failing proves nothing, so each breakage stands at its place in the product behind [Has], and a
// run that must fail proves that it is noticed: `make test-planted` runs the table of table_test.go
// and prints it.
//
// Everything here is compiled out of the product: without the build tag `planted`, [Has] is the
// constant false and [Failpoint] is nil. With it, the environment chooses: FOLDLOG_PLANTED names
// one bug, FOLDLOG_FAILPOINT a place to crash at.
//
// Importers: every room that has a breakage planted. It imports the standard library only.
//
// Invariants:
//
//  1. Without the build tag nothing of this package is in a binary, and no environment variable has
//     an effect.
//  2. With the tag and without the variables, the program behaves as the product does.
//  3. Every bug has a row in the table: a test that passes without it, and with it fails with words
//     of its own. A time-out or a crash does not count.
//  4. A bug is an `if` of a line or two at its place, without an else: whoever reads the product
//     passes over it.
//  5. A bug's name that nobody knows ends the program at start, so that a misspelled name is no
//     passed run.
package planted
