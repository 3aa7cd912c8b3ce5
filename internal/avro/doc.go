// Package avro reads and writes Avro strictly, and JSON as Avro. It knows nothing of Foldlog.
//
// A [Schema] is parsed once and bounded. A [Plan] leads from the type that bytes were written with
// to the type that a reader wants. Its result is canonical bytes: one form for each value. A
// [Binding] turns canonical bytes into Go structs and back.
//
// This package is the only one that knows twmb/avro (which parses schemas and judges two of them)
// and hamba/avro (between canonical bytes and Go structs, in binding.go alone); see docs/adr/0010.
//
// Invariants:
//
//  1. A type that [Parse] returned is bounded: no recursion, limited depth and size. Walking it
//     terminates.
//  2. A schema's identity is the SHA-256 of its Parsing Canonical Form. White space and
//     documentation do not change it.
//  3. What a plan has read, it has read in full: every byte accounted for, every length within the
//     input, every string valid UTF-8, every time and number one that JSON can say.
//  4. Memory and time are bounded by the size of the input, whatever lengths and schemas it claims.
//  5. Canonical bytes are a function of the value. JSON and Avro with the same meaning become the
//     same bytes.
//  6. Input never panics, and neither do the libraries beneath, for their callers.
//  7. Everything here is safe for concurrent use.
package avro
