// Package verify proves from the log that everything in it fits together.
//
// Events and outcomes name the command that they follow from by its offset, and stand in the order
// of commands. So commands, outcomes and events of a partition are read side by side
// (partition.go), command by command (commandcheck.go) and event by event (eventcheck.go). All that
// is remembered of outcomes is what those of the same command id are compared by. It is sorted, on
// the disk if there is much (outcomesort.go), and looked at in the end (repeatcheck.go).
//
// States and rows are folded from the events and compared with the tables (table.go), and if there
// is somebody to ask, with what is served (served.go). A re-keyed topic must have, of each partition
// of events, what that partition sends to it, in its order. A running hash for each pair of
// partitions decides that (route.go). Only if something differs are the two read again, to say
// where.
//
// While the system runs, a snapshot is verified (snapshot.go). The offsets of everything are taken
// in such an order that what is below one of them has what it follows from, or what follows from
// it, below another. A row is right if the events up to some place between the group's committed
// offsets before and after the table was looked at lead to it. At rest the two are the same, and
// the comparison is exact.
//
// Invariants:
//
//  1. What is wrong with the data is a finding with its place, never an error; an error is of the
//     infrastructure, and says nothing of the data.
//  2. A log that nothing is wrong with has no findings, whether the system runs or not. What could
//     not be checked is said.
//  3. No clock decides anything, so that the same log gives the same findings.
package verify
