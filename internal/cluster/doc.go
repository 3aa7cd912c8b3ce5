// Package cluster connects to Kafka: one configuration for every client library in the process, and
// the topics that a topology asks for.
//
// Invariants:
//
//  1. Every client (franz-go and sarama) is made from one [Config], so TLS, SASL and patience are
//     the same everywhere.
//  2. Topics are created by [EnsureTopics] and, when tables are rebuilt, by [RecreateTopics], never
//     by a broker's auto-creation. No setting of an existing topic is changed: a difference is
//     reported. When such a function returns, every broker that answers knows the new topics and
//     settings.
//  3. A policy's consumer group has a committed offset before the policy runs for the first time,
//     so that a new policy does not fire commands for years of old events.
//  4. A table that was lost is not created empty: every aggregate would begin anew at version 1.
package cluster
