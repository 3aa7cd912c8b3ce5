// Package lint holds the tree to its structure: who may import whom, a doc.go with numbered
// invariants in every package, and files that stay readable. It is a test, so `make test` runs it.
//
// Invariants:
//
//  1. A package that is not in the table of rooms fails: whoever adds a room decides what it may
//     see.
//  2. Test files may import what they test with; they are not looked at.
package lint
