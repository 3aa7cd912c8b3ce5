// Package interop shows Foldlog's topics to programs that know nothing of Foldlog: consumers of
// events and producers of commands in Python, Java and Node, and queries of DuckDB. Its Go code is
// tests alone, which run those programs against the real system.
//
// Invariants:
//
//  1. What every program computes from the events equals the ledger's own balances, to the last
//     minor unit and the last version.
//  2. The log that they read has what real logs have: events of every published schema version and
//     of one that is newer than this tree, a kind of event that the tree does not know, a
//     transaction that was aborted, and amounts beyond what a float keeps.
//  3. Every client is of a pinned version and has the defaults of its library, the partitioner
//     above all.
//  4. The programs are examples: each can be copied and run against `make dev` as it is.
package interop
