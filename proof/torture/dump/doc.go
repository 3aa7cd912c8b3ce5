// Package dump writes down what topics, views and stores contain at the end of a run.
//
// Invariants:
//
//  1. A partition is read by its place in the log up to the end that it had, past markers, aborted
//     records and holes, so a dump is complete or an error.
//  2. Local stores are opened only after their process has ended, and read only.
package dump
