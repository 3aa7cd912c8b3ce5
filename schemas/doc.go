// Package schemas holds the published Avro schemas of a system and talks to the schema registry.
//
// A schema file is one published version, schemas/<domain>/<topic>/vN.avsc; the domain's package
// embeds them and gives the file system to [Load]. The schema of outcomes is the same for every
// aggregate type and is embedded here. [Registry] is the client of a registry with Confluent's HTTP
// interface. [Type] is a parsed schema that others can walk. [Compatible] and [Changes] judge a new
// version.
//
// Importers: codecs, replay, cli, a domain's app package. It imports the root package and topology.
//
// Invariants:
//
//  1. A published version is never edited; a new one stands beside it, numbered without a gap.
//     [LockFile] has what is published, and [Load] compares.
//  2. Every version of a topic can be read with the latest one (BACKWARD_TRANSITIVE), checked when
//     the files are loaded and set in the registry before anything is registered.
//  3. A schema that [Parse] returned is bounded: no recursion, limited depth and size. Walking it
//     terminates.
//  4. [Load] returns every problem at once, never only the first.
//  5. An outage of the registry ([ErrUnavailable]) is never mistaken for an answer, and never
//     remembered.
//  6. A schema's identity is the SHA-256 of its Parsing Canonical Form, which no registry, white
//     space or documentation changes.
package schemas
