// Package client speaks the HTTP interface of a Foldlog server: commands with their outcomes,
// states now and as of a moment, events, traces, views.
//
// Invariants:
//
//  1. A command has one id for all of its attempts, so however often it is sent it is executed
//     once.
//  2. A refusal is a [*Problem] with the server's status and code. It is never retried.
//  3. Passing failures are retried with a growing, random delay, no sooner than the server's
//     Retry-After: 429, 502, 503, 504 and broken connections. Retrying ends with Config.Patience or
//     the context.
//  4. JSON numbers are passed on as text ([encoding/json.RawMessage]), so int64 amounts stay exact.
package client
