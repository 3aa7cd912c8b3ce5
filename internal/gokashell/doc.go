// Package gokashell keeps Goka to one task: it owns partitions, their goroutines, setup, clean-up
// and stop. Its questions about topics and the disk are answered from our own knowledge. The engine
// and the views put this shell around their Goka processor and Goka view.
//
// # Invariants
//
//  1. Goka finds nothing to recover: the restore that ran before it reached the end. Its own
//     recovery would wait for ever for a record behind the marker of the last transaction.
//  2. Goka creates no topic, and neither reads nor writes a row ([ErrRefused]).
package gokashell
