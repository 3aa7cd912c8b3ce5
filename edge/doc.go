// Package edge is every way in and out over HTTP: commands with their outcomes, states now and as
// of a moment, events, traces, views, health and metrics. All of it follows from the topology;
// nothing here knows a domain.
//
// Importers: console, replay's callers, cli. It imports the root package, topology, codecs, views
// and internal/cluster.
//
// Invariants:
//
//  1. A command is answered 200, 412, 422 or 500 only with its outcome from the log. Nothing is
//     decided here.
//  2. 400, 404, 405, 408, 413, 415, 429 and 503 mean that nothing was written, 504 that it may have
//     been. Where it cannot be known, the answer is 504: the same Idempotency-Key may be sent again
//     at any time.
//  3. A command's outcome is awaited before the command is written, so an answer that comes at once
//     is not missed.
//  4. A client that goes away does not take back its command, nor anyone else's.
//  5. Every error is a problem document (RFC 9457) except what net/http refuses before a handler
//     runs: unreadable requests (400) and headers past the limit (431). Codes become statuses in
//     one function, statusOf.
//  6. What is wrong inside is said in the log with the request's id and outside as "internal
//     error".
//  7. Every wait is bounded: headers, body, outcome, visibility, response, drain.
package edge
