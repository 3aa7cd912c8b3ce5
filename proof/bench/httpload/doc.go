// Command httpload measures a running system from outside, over HTTP: the time from a command to
// its outcome at fixed rates, and the throughput of many clients. Without --url it starts
// `foldlog dev` from --binary in a temporary folder and measures that.
//
// Invariants:
//
//  1. Rates are kept by the clock, not by answers: a command's latency counts from when it was due,
//     so a stall is seen by all commands that it held up (no coordinated omission).
//  2. A command that is not accepted ends the run with an error: a fast refusal is no figure.
//  3. What is printed says machine, versions and settings.
package main
