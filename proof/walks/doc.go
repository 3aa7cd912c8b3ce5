// Package walks follows the walks of CONTRIBUTING.md in a copy of the tree, from the page's own
// text. All it has is tests.
//
// Invariants:
//
//  1. A walk ends green, or the test fails.
//  2. The files that a walk changes are those that the page lists.
//  3. What the page says is applied to the letter. A snippet with a place that is not in the tree,
//     or that is there twice, is an error.
package walks
