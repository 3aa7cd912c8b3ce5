// Package lint holds the tree to its structure and its prose. It is a test, so `make test` and
// `make lint` run it.
//
// Structure: the imports of each room, a doc.go with numbered invariants in every package, and
// files of at most 500 lines. Prose: comments and Markdown of at most 100 columns, without a few
// words that hide the subject of a sentence.
//
// Invariants:
//
//  1. The table of rooms is in order: a room imports only rooms above it in the table.
//  2. The table is exact: a package in no room fails, and so does a permission that nobody uses.
//  3. Nothing outside proof imports proof.
//  4. Test files may import anything that they test with; their imports are not looked at.
package lint
