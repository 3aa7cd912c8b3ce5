// Package clitest runs the command line of an app inside a test: single commands, and a whole
// system on an embedded broker.
//
// Invariants:
//
//  1. Nothing outlives the test: a system that was started is drained before the test's temporary
//     directory is removed.
//  2. Systems listen on free ports, so tests run beside each other and beside whatever runs on the
//     machine.
package clitest
