// Package atleastonce runs groups on plain Goka with safe settings: no transactions, at least once. A process
// that is killed can lose and double work; a graceful stop loses and doubles nothing. It is there to be compared with the exactly-once engine.
//
// Importers: processors. It imports the step seam, topology (partitioning) and the cluster connection.
//
// Invariants:
//
//  1. An input's offset is marked for commit only after every record of its step, its row and the progress after it are
//     acknowledged by the brokers.
//  2. Nothing calls recover around a call into Goka: its panics end the partition's processor, and the group is started anew.
//  3. The local store is trusted only if it was closed in good order and belongs to the same topic; else it is rebuilt from the
//     table's topic, since Goka writes it before the brokers have the record.
//  4. What a handler may read of a partition reflects every earlier step of that partition since the partition was assigned.
package atleastonce
