// Package views keeps lookup tables beside a query server: Goka views that replicate Kafka topics
// into LevelDB.
//
// Four kinds of topics are replicated: the state table of each aggregate type ([Set.State]), the
// table of each projection ([Set.Projection]), the outcomes of each aggregate type, as an index by
// aggregate id and command id ([Set.Outcomes]), and its events, by aggregate id and version
// ([Set.History]). Both of the last have an index by the ids that a conversation is traced by
// ([Set.Trace]).
//
// # How a topic becomes a store
//
// A replica (replica.go) describes its topic, opens its store and checks that both belong together.
// It reads the missing records up to the end of the log (restore.go) and hands over to a Goka view,
// which follows the log from there (tail.go). After any failure all of this begins again with a
// backoff; records in the store are not read again. A monitor (monitor.go) compares the stores with
// the ends of the log every second.
//
// The restore is our own, since Goka's ends only at a delivered record. The marker that ends a
// transaction is never delivered, and an aborted transaction may be the last thing in a log. Goka
// is told that the store has everything, and only tails.
//
// # Invariants
//
//  1. A store is a prefix of the committed log: the rows, the progress and the position of each
//     partition are written in one LevelDB batch. So a killed process needs no rebuild, except if
//     it was killed in the few microseconds in which a journal block is full.
//  2. Nothing is read from a store before it has everything that was in the log when the replica
//     connected ([ErrNotReady]). This includes an open transaction, whose end is awaited. From then
//     on the store is read even while Kafka is away: [Row.Position] says how fresh it is and
//     [Set.Ready] whether it keeps up.
//  3. Only committed records are seen (read_committed).
//  4. The answer contains everything that its position covers. A read with a token waits, without
//     polling, until the token is covered, or fails with [ErrNotYetVisible].
//  5. No record makes a replica fail. A record of a wrong form is counted (kind "ignored") and
//     skipped. A row that cannot be decoded is an error of the reads that meet it ([RowError]). An
//     absent schema registry is waited for.
//  6. The first outcome of a command stands. Repeats and second answers within the horizon never
//     replace it. Only an internal_error gives way to the next outcome: it recorded nothing. Beyond
//     the horizon, by recorded time, there is no outcome.
//  7. An outcome reaches all who expect it in the call that writes it to the store, both in the
//     tail and in the restore.
//  8. A store that may be wrong is not used. It is thrown away and read again from Kafka, which is
//     logged and counted with its reason (see Metrics).
//  9. Failures of Kafka, the registry or the disk never end [Set.Run].
//  10. An event is kept as its record was, even if its type is unknown here. The first record of a
//     version stands. A missing version is an error of the reads that would pass over it
//     ([GapError]), never a shorter history.
//  11. A read of a history costs as much as it returns, a trace is bounded ([MaxTrace]), and a
//     state as of a moment takes the memory of a page.
//  12. Of the versions of a projection, the live ones are replicated and one is read. The read
//     version changes in one step, to one that is recovered; a read that has begun ends in the
//     same version. Each version has its own progress, so a token means the same before and after.
//
// # Metrics
//
//	foldlog_view_records_total{topic,kind}          records applied: row, tombstone, progress, outcome, repeat, event, ignored
//	foldlog_view_lag_records{topic,partition}       committed records in the log that the store does not have yet
//	foldlog_view_recovered{topic}                   1 when reads are answered
//	foldlog_view_recovery_remaining_records{topic}  what the running restore still has to read
//	foldlog_view_restarts_total{topic}              how often the replica had to connect again
//	foldlog_view_rebuilds_total{topic,reason}       stores thrown away: damaged, topic_recreated, offline_too_long, ahead_of_log,
//	                                                log_truncated, other_layout
//	foldlog_view_outcome_waiters{topic}             open expectations
//	foldlog_view_outcomes_purged_total{topic}       outcomes removed because they are beyond the horizon
package views
