// Package exactlyonce runs groups so that each input takes effect exactly once: the rows, the
// records and the input's offset of a step are one Kafka transaction, fenced by the generation of
// the consumer group. Goka owns partitions, their goroutines, setup and cleanup, through its public
// hooks. The mechanism, its proof obligations and the alternatives that were rejected are in
// docs/exactly-once.md.
//
// Importers: processors. It imports the step seam, the record shape, topology (partitioning,
// progress keys), the cluster connection and the root package's Position; nothing of commands,
// events and codecs.
//
// Invariants:
//
//  1. What a read_committed reader sees of an input is all of its step or nothing, once.
//  2. A transaction is a set of whole steps: for each partition (lane) a prefix of what was handled
//     since the transaction before.
//  3. Every commit of offsets, inside a transaction or not, carries generation, member id and
//     instance id. Nothing is committed for a partition that another member owns.
//  4. Transaction N+1 writes nothing before the brokers have acknowledged the end of transaction N.
//     An end whose outcome is unknown stops the attempt; what became of it is learned from the log.
//  5. Both transactional ids of an instance are initialised before anything is read: what a crash
//     left open is aborted by then.
//  6. The local store holds committed rows only, with the place in the log up to which it holds all
//     of them. A row gets there after its transaction, never before.
//  7. What a handler reads reflects every earlier step of its partition, committed or not, and
//     nothing of another generation.
//  8. A store is trusted only if it is whole, belongs to the same topic, and was not away for so
//     long that deletions may be gone from the log. Else it is rebuilt.
//  9. A restore ends at the high watermark that it found after it was assigned the partition, and
//     never reads past an open transaction below it.
//  10. Of the rows of a key in one transaction only the last is written. Progress is written after
//     all that it speaks of.
//  11. A row's key belongs to its partition by the project's partitioning, or the attempt stops.
//  12. Any other failure stops the attempt: what is not committed is dropped, and nothing goes on
//     with state that is in doubt. An error of a handler is no failure: the input is tried again
//     while other lanes go on.
//  13. Run returns after all that it started has ended.
package exactlyonce
