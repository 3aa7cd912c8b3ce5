// Package topology declares a system: which aggregates, policies and projections exist, under which
// names, and which Kafka topics follow from that.
//
// A domain's package calls [New] once. Everything else (topics, consumer groups, schemas, HTTP
// routes, documentation) is derived from the result.
//
// Invariants:
//
//  1. A topology is immutable once [New] has returned it and safe for concurrent use.
//  2. Names are contracts: every topic, group and subject name is a pure function of declared names
//     and the prefix ([Names]). There is no other place that builds one.
//  3. [Topology.Lint] returns all findings, never only the first; no process starts on a topology
//     with findings.
//  4. [Topology.Describe] is stable text: the same topology gives the same bytes.
//  5. The partition of a key is Kafka's murmur2 ([PartitionOf]) for every producer, processor and
//     view.
package topology
