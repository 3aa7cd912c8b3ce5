// Package edge is every way in and out over HTTP: commands with their outcomes, states now and as
// of a moment, events, traces, views, health and metrics. All of it follows from the topology;
// nothing here knows a domain.
//
// Invariants:
//
//  1. A command is answered 200, 412 or 422 only with its outcome from the log. 500 is its outcome,
//     too, unless the command's own check is defective: then nothing was written. Nothing is
//     decided here.
//  2. 400, 404, 405, 408, 413, 415, 429 and 503 mean that nothing was written, 504 that it may have
//     been. If nobody can know, the answer is 504: the same Idempotency-Key may be sent again at
//     any time.
//  3. The rules for commands are the gateway's. This package adds only HTTP: headers, media type,
//     body, status.
//  4. Every error is a problem document (RFC 9457) except those that net/http answers before a
//     handler runs: unreadable requests (400) and headers past the limit (431). Errors become codes
//     and codes become statuses in one file, problem.go.
//  5. An inner failure is in the log with the request's id. Outside it is "internal error".
//  6. Every wait is bounded: headers, body, outcome, visibility, response, drain.
package edge
