// Package planted holds deliberate breakages and crash points. A checker that was never seen failing proves nothing, so each breakage stands
// at its place in the product behind [Has], and a run that must fail proves that it is noticed (docs/reliability.md has the table).
//
// Everything here is compiled out of the product: without the build tag `planted`, [Has] is the constant false and [Failpoint] is nil.
// With it, the environment chooses: FOLDLOG_PLANTED names one bug, FOLDLOG_FAILPOINT a place to crash at.
//
// Importers: every room that has a breakage planted. It imports the standard library only.
//
// Invariants:
//
//  1. Without the build tag nothing of this package is in a binary, and no environment variable has an effect.
//  2. With the tag and without the variables, the program behaves as the product does.
//  3. A bug's name that nobody knows ends the program at start, so that a misspelled name is no passed run.
package planted
