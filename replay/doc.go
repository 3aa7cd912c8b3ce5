// Package replay is the folder of the rooms that read the whole log of a system. It has no code of
// its own:
//
//   - verify proves that everything in the log fits together.
//   - recovery makes everything that follows from the events anew.
//   - rebuild fills a new version of a projection while the system runs, and uses verify.
//   - backup exports the log to an archive and imports it, and uses recovery.
//   - kit is what all of them read and fold with.
//
// docs/recovery.md, docs/read-models.md and docs/archive.md say when to use which. The tests here
// run a real system and put it through several of the rooms; tests of one room are in that room.
//
// Invariants of all rooms:
//
//  1. Only committed records are seen, up to a fixed end for each partition; an open transaction
//     below it is waited for.
//  2. An error is of the infrastructure, or a refusal. A defect of the data is a finding with its
//     place.
//  3. Memory is bounded by the configuration: the rest is spilled to a temporary directory, which
//     is removed.
package replay
