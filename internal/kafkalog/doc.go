// Package kafkalog reads topics: the committed records of a partition from one offset to another.
//
// A [Log] reads whole ranges by position. [Describe] and [Offsets] return a topic's settings and
// the offsets of its partitions.
//
// The consumers that follow a topic without an end are not here: the engine's fetcher, the tail of
// a view, a door's wait for outcomes, and the follower of versions. The engine restores its tables
// with a reader of its own, because its simulation puts other brokers behind it.
//
// # Invariants
//
//  1. A read delivers committed records only, in order per partition.
//  2. A read ends at a position, not at a record. So it ends behind the markers of transactions,
//     aborted records and holes from compaction, too.
//  3. A read waits for open transactions before its end. [Part.Waits] tells the caller, which
//     decides for how long.
//  4. An offset that the log does not have is [ErrMoved], never a silent jump.
//  5. Every batch is decompressed within [cluster.MaxDecompressed]. Guards against a broker's data
//     belong into fetch.go, in the one function that turns an answer into a [Part].
package kafkalog
