// Package devcluster is a Kafka broker and a schema registry in one Go process, for development and
// tests: no JVM, no container, ready in milliseconds. It listens on real ports, so any Kafka client
// and any Confluent schema registry client can talk to it unchanged. The broker is franz-go's
// kfake, the registry is franz-go's srfake; this package adds what they lack to be trusted with a
// developer's data.
//
// Invariants:
//
//  1. What was acknowledged is there after Close and Start, and after kill -9 and Start: records,
//     transactions, topics and their settings, committed offsets, producers' sequence numbers,
//     schemas with the same ids. (After a power failure only with Config.SyncWrites.)
//  2. One process at a time uses a directory; a second start is refused, naming the holder. A dead
//     holder does not block.
//  3. A topic with message.timestamp.type=LogAppendTime shows consumers the time of this broker,
//     which never goes back within the process, whatever timestamp the producer sent. A CreateTime
//     topic shows the producer's timestamps.
//  4. A topic's settings are described exactly as they were created or altered, defaults included.
//  5. No topic comes into being by being named: automatic creation is off.
//  6. The registry refuses a schema that breaks its subject's compatibility level, and its
//     compatibility endpoint says the truth.
//  7. Bytes that are no Kafka request, of whatever length they claim to be, end their own
//     connection and nothing else.
//  8. Old data is never compacted or expired: the disk only grows, until Reset.
//
// kfake alone does not hold 1 after a kill: commit.go and recovery.go say what they add. A
// transaction is then there as a whole or not at all, with its offsets; one that was open is
// aborted and its producer fenced; a batch sent again is not written again. Nor does it end a
// rebalance that a member leaves at the wrong moment (leaving.go), or take connections again once
// it could not (conn.go).
//
// What the package cannot show, so that it takes Apache Kafka: replication and its failures,
// transaction markers that lag behind the commit, compaction, retention, quotas, authentication. It
// does not refuse what Apache Kafka would refuse in these cases: unknown topic settings and values
// that make no sense, fewer replicas in sync than min.insync.replicas, records without a key in a
// compacted topic. It has the first version of transactions only (KIP-890 is the second).
// DeleteRecords is forgotten by a kill; group members are, too, as nothing but their offsets is on
// the disk. A member that leaves while it waits for others to join gets no answer. The registry
// knows no schema contexts, compares only Avro schemas, and does not revive a deleted subject.
package devcluster
