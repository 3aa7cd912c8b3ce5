// Package backup exports the log to an archive and imports it into an empty cluster. Package
// archive has the files.
//
// An export writes one state of the system, a place in each log of commands, while the system runs
// (exportcut.go). The commands that were not handled are part of it, but for those that a policy
// sends again (exportpending.go). An import writes the logs of commands, outcomes and events as
// they were, and then recovers the rest (restore.go, import.go).
//
// Invariants:
//
//  1. Nothing belongs to an archive without its cause.
//  2. A killed export leaves a valid archive, and a killed import one that no process starts on;
//     the next run continues it.
//  3. An import writes only after every file was compared with the manifest, and only to topics
//     that are empty or have the beginning of the same import.
//  4. Places in the logs of commands stay valid: events, outcomes and tokens name them.
package backup
