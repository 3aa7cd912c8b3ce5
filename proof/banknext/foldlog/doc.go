// Command foldlog is the program of the release in package banknext, both versions of the changed
// projections beside each other. The torture program builds and runs it.
//
// Invariants:
//
//  1. It is started as the shipped program is, with the same commands and flags.
package main
