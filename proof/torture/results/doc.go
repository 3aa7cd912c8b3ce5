// Package results turns runs into figures: how long nothing was answered after a fault, a line for
// each run, a table of many runs.
//
// Invariants:
//
//  1. A stall is never made shorter by the end of the measurement: what was not answered until then
//     counts up to then.
//  2. A line of a results file contains everything that was printed of the run.
package results
