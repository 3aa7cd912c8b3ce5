// Package bankapp puts the bank on the command line: its topology, its schema files, and the import
// of bank records.
//
// Invariants of the import:
//
//  1. Nothing is sent before every file was read in full and without a problem; all problems are
//     told at once.
//  2. Command ids are functions of the files' own ids, so a rerun changes nothing, however the run
//     before ended.
//  3. The commands of one account are sent one after another, in the order of their dates and
//     transaction ids.
//  4. Success is said only after each account's balance was read back and equals the sum of its
//     rows.
package bankapp
