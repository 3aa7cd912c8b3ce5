// Package proxy is a TCP proxy on loopback that breaks connections on purpose: it cuts them, delays
// or holds bytes, and resets them after the request went through, so that the client never learns
// what became of it.
//
// Invariants:
//
//  1. Bytes are never changed or reordered; a connection may only end early or be late.
//  2. A fault holds until the next one or Mend, for connections that exist and for new ones.
//  3. A reset after a request is counted only where bytes of a request were passed on and bytes of
//     an answer were then thrown away.
package proxy
