// Package exactlyonce runs groups so that each input takes effect exactly once: the rows, the
// records and the input's offset of a step are one Kafka transaction, fenced by the generation of
// the consumer group. Goka owns partitions, their goroutines, setup and clean-up, through its
// public hooks. docs/exactly-once.md has the mechanism, its obligations and the rejected
// alternatives.
//
// It knows nothing of commands, events and codecs.
//
// Invariants:
//
//  1. What a read_committed reader sees of an input is all of its step or nothing, once.
//  2. A transaction is a set of whole steps: for each partition (lane) a prefix of the steps since
//     the transaction before.
//  3. Every commit of offsets, inside a transaction or not, carries generation, member id and
//     instance id. Nothing is committed for a partition that another member owns.
//  4. Transaction N+1 writes nothing before the brokers have acknowledged the end of transaction N.
//     An end with an unknown result stops the attempt, and the next attempt learns the result from
//     the log.
//  5. Both transactional ids of an instance are initialised before anything is read. This aborts
//     the transactions that a crash left open.
//  6. The local store holds committed rows only, with the place in the log up to which it holds all
//     of them. A row gets there after its transaction, never before.
//  7. A handler reads the effect of every earlier step of its partition, committed or not, and
//     nothing of another generation.
//  8. A store is trusted only if it is whole, belongs to the same topic, and was not away for so
//     long that the log may have lost deletions. Otherwise it is rebuilt.
//  9. A restore ends at the high watermark that it found after it was assigned the partition, and
//     never reads past an open transaction below it.
//  10. Of the rows of a key in one transaction only the last is written. Progress is written after
//     everything that it covers.
//  11. A row's key belongs to its partition by the project's partitioning, or the attempt stops.
//  12. Any other failure stops the attempt: uncommitted work is dropped, and nothing goes on with
//     doubtful state. An error of a handler is no failure: the input is tried again while other
//     lanes go on.
//  13. Run returns after everything that it started has ended.
package exactlyonce
