// Package schemas holds the published Avro schemas of a system and talks to the schema registry.
//
// A schema file is one published version, schemas/<domain>/<topic>/vN.avsc; the domain's package
// embeds them and gives the file system to [Load]. The schema of outcomes is the same for every
// aggregate type and is embedded here. [Registry] is the client of a registry with Confluent's HTTP
// interface. [Changes] judges a new version.
//
// Invariants:
//
//  1. A published version is never edited; a new one stands beside it, numbered without a gap.
//     [LockFile] lists the published versions, and [Load] compares.
//  2. Every version of a topic can be read with the latest one (BACKWARD_TRANSITIVE), checked when
//     the files are loaded and set in the registry before anything is registered.
//  3. [Load] returns every problem at once, never only the first.
//  4. An outage of the registry ([ErrUnavailable]) is never mistaken for an answer, and never
//     remembered.
package schemas
