// Package step is the seam between the meaning of an input and its execution: a handler is a
// function from one input record to a [Step], and a runner makes steps happen. It knows nothing of
// commands and events.
//
// Invariants:
//
//  1. A handler has no effect of its own: the returned step is all that happens. It may be called
//     again with the same input, and then returns the same step.
//  2. A handler returns an error for infrastructure only, and the caller tries again. Bad input is
//     a step, too: a dead letter.
//  3. A runner makes a step happen wholly before or wholly after any other step of the same
//     partition, in the order of the inputs.
//  4. Progress is written after the records and rows of the steps that it covers, into every
//     partition that they may have reached.
package step
