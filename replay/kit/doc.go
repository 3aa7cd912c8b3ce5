// Package kit is the common part of the rooms of replay: they read the log with a [Reader] and fold
// it with [AggregateFolds] and [RowFolds].
//
// A Reader connects, asks for offsets, and does pieces of work in parallel ([Reader.Each]). Each
// piece reads spans of partitions over a [Log] of its own, and keeps its folds on shelves that
// share a [Budget]: beyond that they spill to the disk. A [Finding] names a defect of the log and
// its place.
//
// Invariants:
//
//  1. Only committed records are seen, and none at or beyond the end of a span. An open transaction
//     is waited for, as long as patience lasts.
//  2. The memory of all shelves together stays within their budget. Nil is told from empty, also
//     after it was spilled.
//  3. A fold does the same as a processor: a panic of Project or Key leaves the row unchanged.
//  4. Names of checks never change.
package kit
