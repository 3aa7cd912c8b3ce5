// Package rebuild fills a new version of a projection beside the one that serves, while the system
// runs, and switches queries to it.
//
// Until it has nearly all events, the processors' own groups run the version in this process, and
// nothing else does (fill.go). Its rows are verified, and both versions are compared (compare.go).
// Then the processors take it over and queries are switched; each step is a record in Kafka
// (change.go). A version that does not serve can be dropped (drop.go).
//
// Invariants:
//
//  1. A version serves only after each of its rows was the fold of its events.
//  2. The serving version is never deleted.
//  3. A run continues an interrupted one, and several that run at once share the work.
package rebuild
