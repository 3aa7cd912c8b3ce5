// Package node runs a Foldlog system, or some of its roles, inside a Go program: [Run] starts the
// parts that the roles need, keeps them running, and stops them in order. The command line's run
// and dev are translations of flags to [Options].
//
// Invariants:
//
//  1. No part starts on a system with findings, or on topics that differ from the declared ones.
//  2. A cluster or registry that does not answer is waited for. Meanwhile /healthz is 200, and
//     /readyz says what the node waits for.
//  3. One process owns a data directory: a second one is refused before it touches anything.
//  4. Parts stop from the outside in: the HTTP interface stops taking, the processors drain, then
//     the views stop, then the embedded cluster. No part loses what it needs while it drains.
//  5. The process, its flags and its signals belong to the caller. A node reads no environment
//     variable and no configuration file.
package node
