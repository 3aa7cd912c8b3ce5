// Package replay reads history: the whole log of a system, once and in parallel. [Verify] proves
// that everything in it fits together; [Recover] makes everything that follows from the events
// anew; [Rebuild] does so with one projection while the system runs. docs/recovery.md and
// docs/read-models.md say when to use which.
//
// Importers: cli. It imports the root package, topology, codecs, the reader of topics,
// processors, the cluster connection, the versions of projections and the record shape.
//
// # How a log is verified
//
// Events and outcomes name the command that they follow from by its offset, and stand in the order
// of commands. So commands, outcomes and events of a partition are read side by side (history.go).
// All that is remembered of them is what outcomes of the same command id are compared by, which is
// sorted, on the disk where it is much, and looked at in the end (once.go). States and rows are
// folded from the events and compared with the tables. A re-keyed topic must have, of each
// partition of events, what that partition sends to it, in its order; a running hash for each pair
// of partitions decides that (route.go). Only where something differs are the two read again, to
// say where.
//
// # While the system runs
//
// What is verified is a cut (cut.go). The offsets of everything are taken in such an order that
// what is below one of them has what it follows from, or what follows from it, below another. A row
// is right if the events up to some place between the group's committed offsets before and after
// the table was looked at lead to it. At rest the two are the same, and the comparison is exact.
//
// # How a system is recovered
//
// Tables are written from the fold of the events (folds.go), re-keyed topics from the events in the
// order of their times. Offsets that are missing follow from what the groups wrote (offsets.go,
// policyoffsets.go). Until the end, tables have a setting that no process starts on, so a recovery
// that was interrupted is run again from the beginning (recover.go).
//
// # How a version of a projection is filled
//
// The processors' own groups run it, and nothing else does, until it has nearly all events
// (fill.go). Verifying and comparing (compare.go) come before the processors take it over and
// queries are switched (version.go), which is a record in Kafka each. A version that does not serve
// can be dropped (drop.go).
//
// Invariants:
//
//  1. Only committed records are seen, up to a fixed end for each partition; an open transaction
//     below it is waited for.
//  2. What is wrong with the data is a finding with its place, never an error; an error is of the
//     infrastructure, and says nothing of the data.
//  3. A log that nothing is wrong with has no findings, whether the system runs or not. What could
//     not be checked is said.
//  4. Memory is bounded by the configuration: what is beyond it is spilled to a temporary
//     directory, which is removed.
//  5. Verifying decides nothing by a clock, so that the same log gives the same findings.
//  6. Recovering changes nothing of commands, outcomes and events, and nothing at all before the
//     events were found sound and the offsets decided.
//  7. A recovery that is run again after it was interrupted ends as one that was not.
//  8. A version serves only after each of its rows was what the events lead to. What serves is
//     never deleted.
//  9. After a recovery no command is done twice or lost, and no policy fires again for an event
//     that it has answered.
package replay
