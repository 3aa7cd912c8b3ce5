// Package versions knows which version of each projection serves. It is a record for each
// projection in a small compacted topic (topology.Names.Versions), written by 'foldlog rebuild' and
// followed by every process: query servers answer from the version that serves, processors run the
// versions that are filled.
//
// Invariants:
//
//  1. A projection has at most two versions at a time: the one that serves, and one beside it,
//     which is being filled or kept.
//  2. If there is no record, the oldest declared version that was ever run serves. If none was run,
//     the newest serves, and this is recorded.
//  3. A version that is being filled is run by 'foldlog rebuild' alone. A kept version is run by
//     the processors, as the serving one is.
//  4. No process starts if the serving version is not declared.
package versions
