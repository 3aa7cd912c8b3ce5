// Package recovery makes everything that follows from the events anew.
//
// Tables are written from the fold of the events (tables.go), re-keyed topics from the events in
// the order of their times (rekeyed.go). Offsets that are missing follow from what the groups wrote
// (aggregateoffsets.go, policyoffsets.go), and so do dead letters (deadletters.go). Until the end,
// tables have a setting that no process starts on, so a recovery that was interrupted is run again
// from the beginning. The package is not called recover, as that is a builtin function.
//
// Invariants:
//
//  1. Commands, outcomes and events stay as they are. Nothing at all is changed before the events
//     were found sound and the offsets decided.
//  2. A recovery that is run again after it was interrupted ends as one that was not.
//  3. Afterwards no command is done twice or lost, and no policy fires again for an event that it
//     has answered.
package recovery
