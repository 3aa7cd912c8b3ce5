// Package gateway takes commands in: it writes a command to the log and awaits its outcome.
//
// Every door (the HTTP interface, an import, a later one) translates to [Gateway.Send] and back. So
// the rules that hold for every command from outside are here: which commands exist, their ids,
// their size, their fields and their senders.
//
// Outcomes come from the views of the process ([views.Set]) or, in a process without views, from a
// [Tail].
//
// Invariants:
//
//  1. An outcome is returned only if it stands in the log. Nothing is decided here.
//  2. A rejection as an error means that nothing was written, and so does [ErrNothingWritten].
//  3. If it cannot be known whether a command is written, the error is [ErrMayBeWritten]. The same
//     command can be sent again with the same id at any time.
//  4. An outcome is awaited before its command is written, so an answer that comes at once is not
//     missed.
//  5. The end of a context ends the wait, not the writing: a caller that goes away takes back
//     neither its own command nor another caller's.
//  6. Every wait is bounded by Config.Patience.
package gateway
