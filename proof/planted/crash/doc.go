// Package crash ends or freezes a process at a named place of the engine, for the torture. No
// package of the product imports it: `go build -overlay` puts its call into the engine (see
// proof/planted).
//
// Invariants:
//
//  1. Without FOLDLOG_FAILPOINT the program behaves as the product does.
package crash
