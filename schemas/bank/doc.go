// Package bankschemas embeds the bank's Avro schemas: one file for each published version of each
// topic's values.
//
// Invariants:
//
//  1. A file is <topic>/v<N>.avsc, where the topic is named without prefix and N counts from 1
//     without a gap.
//  2. A published file, which schemas.lock lists, is never edited. A change is a new file beside
//     it.
//  3. Every record and every field has a doc: the schemas are the data dictionary of those who read
//     the topics with tools of their own.
package bankschemas
