// Package verify proves from the log that everything in it fits together.
//
// Events and outcomes name the command that they follow from by its offset, and stand in the order
// of commands. So commands, outcomes and events of a partition are read side by side
// (partition.go), command by command (commandcheck.go) and event by event (eventcheck.go). All that
// is remembered of outcomes is what those of the same command id are compared by. It is sorted, on
// the disk if there is much (outcomesort.go), and looked at in the end (repeatcheck.go).
//
// States and rows are folded from the events and compared with the tables (table.go), and with what
// a running system serves (served.go). A re-keyed topic must have what each partition of events
// sends to it, in its order (rekeyedcheck.go). A running hash for each pair of partitions decides
// that; only if it differs are the two read again, to find the place (route.go).
//
// While the system runs, a snapshot is verified (snapshot.go). Its offsets are taken in an order
// that puts the causes and effects of every record below one offset below another. A row is right
// if it is the fold of the events up to some place: one between the offsets that the group had
// committed before and after the table was read. At rest the two are the same, and the comparison
// is exact.
//
// Invariants:
//
//  1. A defect of the data is a finding with its place, never an error. An error is of the
//     infrastructure, and says nothing of the data.
//  2. A sound log has no findings, whether the system runs or not. The report lists everything that
//     could not be checked.
//  3. No clock decides anything, so that the same log gives the same findings.
package verify
