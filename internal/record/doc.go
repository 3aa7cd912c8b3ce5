// Package record is the shape of a Kafka record as it passes between rooms, so that codecs, engines
// and processors need no conversion.
//
// Invariants:
//
//  1. A record is never changed after it was handed on; slices may be shared.
package record
