// Package load asks the system for things, as clients do, and writes down what was asked and what
// was said: workers over HTTP, a foreign producer that writes straight to the commands topics, and
// probes that measure how long nothing is answered.
//
// Invariants:
//
//  1. What is asked follows from the seed. When it is asked, and what comes back, does not.
//  2. Every try is an operation of its own in the history, with the command's id. Its invoke is
//     written before anything is sent.
//  3. "fail" is said only where certainly nothing happened: the connection was refused, or the
//     server said so. Everything else without an answer is "unknown".
//  4. A client of the history has at most one operation under way.
package load
