// Package codecs turns records into Go values and back: Avro in Confluent's wire format, and JSON
// for commands.
//
// What Avro and JSON mean in general is internal/avro's part: it reads every input strictly against
// the writer's schema, and checks at start that Go structs and Avro records match field by field.
//
// Invariants:
//
//  1. Input never makes a decoder fail otherwise than with an [*Undecodable], or with an error that
//     wraps [schemas.ErrUnavailable], which says nothing about the input: try again.
//  2. What is decoded was read in full: every byte accounted for, every length within the input,
//     every string valid UTF-8, every time and number one that JSON can say, too.
//  3. What is encoded can be decoded. Encoding is a function of the value: the same value gives the
//     same bytes, maps included.
//  4. A command means the same in JSON and in Avro: both become the same Avro bytes before they
//     become a Go value.
//  5. The chain and what is in logs know nothing of upcasts: a value is read in the form of its
//     version and only then becomes today's.
//  6. A record may have been written with any schema that the latest one can read. Of a newer
//     schema everything is read but what the latest one here has no place for.
//  7. Memory and time are bounded by the size of the input, whatever lengths and schemas it claims.
//  8. The hash chain and payload hashes do not depend on schema ids, and payload hashes not on the
//     form in which a command came.
//  9. Everything here is safe for concurrent use.
package codecs
