// Package versions knows which version of each projection serves. It is a record for each
// projection in a small compacted topic (topology.Names.Versions), written by 'foldlog rebuild' and
// followed by every process: query servers answer from the version that serves, processors run the
// versions that are filled.
//
// Importers: processors, views, replay, cli. It imports topology and the cluster connection.
//
// Invariants:
//
//  1. A projection has at most two versions at a time: the one that serves, and one beside it,
//     which is being filled or kept.
//  2. Where there is no record, the oldest declared version that was ever run serves; where none
//     was, the newest, which is then recorded.
//  3. A version that is being filled is run by 'foldlog rebuild' alone; one that is kept is run by
//     the processors as the one that serves.
//  4. No process starts where the version that serves is not declared.
package versions
