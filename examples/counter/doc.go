// Package counter is a second domain: counters that go up and down and never below zero. It is a
// module of its own, as a user's domain is, and shows how little that takes: a decider, a
// projection, four schema files and [App].
//
// Invariants:
//
//  1. Decide, Evolve and Project are pure functions.
//  2. No counter is below zero, and none is above [Max].
package counter
