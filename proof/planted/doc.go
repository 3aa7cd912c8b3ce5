// Package planted holds deliberate breakages of the product. A checker that was never seen failing
// proves nothing. So each guard of the product has a bug here that takes it away, and a test that
// must notice.
//
// A bug is a list of text replacements in source files. `go build -overlay` builds the product or a
// package's tests as if the files had the new text; the files themselves stay as they are.
// `make test-planted` builds every bug, runs the tests that catch it, and prints the table.
// `make simulate` does the same with the engine's simulation, and the torture program builds
// foldlog with a bug, or with crash points (see proof/planted/crash).
//
// Invariants:
//
//  1. The product knows nothing of this package: it has no import, build tag or variable of it.
//  2. The text that a replacement replaces occurs exactly once in its file, else the tests of this
//     package fail. If you change such a line, correct the text here.
//  3. Every bug is caught by a test that passes without it, and that fails with it in words of its
//     own. A time-out or a crash does not count.
package planted
