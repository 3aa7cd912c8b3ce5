// Package codecs turns records into Go values and back: Avro in Confluent's wire format, and JSON
// for commands.
//
// internal/avro has the general part of Avro and JSON: it reads every input strictly against the
// writer's schema, and checks at start that Go structs and Avro records match field by field.
//
// Invariants:
//
//  1. On any input a decoder fails only with an [*Undecodable], or with an error that wraps
//     [schemas.ErrUnavailable]. The latter says nothing about the input: try again.
//  2. A decoded value was read in full: every byte accounted for, every length within the input,
//     every string valid UTF-8, every time and number one that JSON can express, too.
//  3. Every encoded value can be decoded. Encoding is a function of the value: the same value gives
//     the same bytes, maps included.
//  4. A command means the same in JSON and in Avro: both give the same Go value, and the command
//     that is stored is always the encoding of that value.
//  5. The chain and the logs know nothing of upcasts: a value is read in the form of its version
//     and only then becomes today's.
//  6. A record may have been written with any schema that the latest one can read. Of a newer
//     schema everything is read except values that have no place in the latest one here.
//  7. Memory and time are bounded by the size of the input, whatever lengths and schemas it claims.
//  8. The hash chain and payload hashes do not depend on schema ids. Payload hashes do not depend
//     on the form of a command.
//  9. Everything here is safe for concurrent use.
package codecs
