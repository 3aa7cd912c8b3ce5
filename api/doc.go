// Package api declares the bodies, headers and codes of the HTTP interface once, for the server and
// for its clients.
//
// A type parameter D stands for the data of a domain: a state, an event's data, a row. A server has
// any Go value there; a client has [encoding/json.RawMessage].
//
// Invariants:
//
//  1. Names and meanings must not change: they are the contract of docs/http.md.
//  2. A field that is left out and its zero value mean the same.
package api
