// Package archive is what an exported log is made of: Avro object container files and a manifest,
// in one directory. It knows how they are written, found whole and read, and nothing of Kafka.
// docs/archive.md describes them for readers with other programs.
//
// Invariants:
//
//  1. The bytes of a record's value come back as they were, whatever schema it was written with: a
//     row in a file is some columns of ours, and then the value itself, as the fields of the
//     writer's own record ([Row]).
//  2. A file is complete under its name, and never changed after; the manifest names only complete
//     files.
//  3. The manifest is replaced in one step. A killed export leaves a valid archive; the next run
//     continues it.
//  4. A file that is missing, changed, or another one than the manifest says is refused with its
//     name.
//  5. Memory is bounded by the largest block of a file, whatever the file claims.
package archive
