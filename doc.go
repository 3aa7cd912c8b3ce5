// Package foldlog is the vocabulary of event sourcing on Kafka: the parts of a domain, and nothing
// of how they are run.
//
// A domain is three pure functions for each aggregate (a [Decider]: Initial, Decide, Evolve), a
// function for each reaction (a [Policy]: React) and a function for each read model (a
// [Projection]: Project). The topology package ties them to names; the processors package runs
// them.
//
// It needs the standard library only, so every other package may build on it.
//
// Invariants:
//
//  1. Nothing here reads a clock, a random source, the network or the environment. The only time a
//     domain sees is [Meta.RecordedAt], which comes from the log, so a decision can be repeated.
//  2. Ids are pure functions of their cause ([EventID], [PolicyCommandID]). An input that is
//     delivered twice leads to the same ids twice and is recognised.
//  3. [Event.Version] counts the events of one aggregate from 1, without a gap.
//  4. Persisted strings (rejection codes, id formats, the token format) never change their meaning.
//     They are marked "NB: must not change".
package foldlog
