// Package check decides offline, from what a run left behind (package history), whether the system
// kept its promises: the invariants I1 to I12. It executes all commands again by a model of the
// bank of its own and compares outcomes, events, tables, views, states and what clients were told.
//
// It shares no code with what it judges, not even constants: an error must not be made on both
// sides. Even its Avro library is another one.
//
// Invariants:
//
//  1. The same directory gives the same report, violation by violation.
//  2. An invariant is not reported as kept if nothing of it could be checked: it is "not checked",
//     with the reason.
//  3. A violation names its place: topic, partition and offset, the operation, or instance and key.
//  4. After a violation the log is believed rather than the model, so that one error does not hide
//     or invent others.
//  5. Every topic is decoded once; of tables only the last row of each key is kept.
package check
