// Package archive writes and reads an exported log: Avro object container files and a manifest in
// one directory. It knows nothing of Kafka.
// docs/archive.md describes the files for readers in other languages.
//
// Invariants:
//
//  1. The bytes of a record's value come back unchanged, whatever schema it was written with: a row
//     in a file is some columns of ours, followed by the value itself, as the fields of the
//     writer's own record ([Row]).
//  2. A file is complete under its name and never changes afterwards. The manifest names only
//     complete files.
//  3. The manifest is replaced in one step. A killed export leaves a valid archive; the next run
//     continues it.
//  4. A file that is missing, or differs from its entry in the manifest, is refused with its name.
//  5. Memory is bounded by the largest block of a file, whatever size the file claims.
package archive
