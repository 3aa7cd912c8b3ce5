// Package torture drives the real system under load and faults, lets it heal, writes down
// everything that it then contains (package history), and hands the run's directory to the checker,
// a separate program. docs/reliability.md has the sums of many runs.
//
// It uses nothing of the product but its HTTP client: the system is the built binary.
//
// Parts: system (processes), load (clients, producer, probes), proxy (network faults), dump
// (topics, views, stores), results (stalls, summary, report). Here are the scenarios, a file for
// each family of faults, and the sequence that every run follows.
//
// Invariants:
//
//  1. A run's choices follow from its seed, which is printed first. What they meet depends on
//     timing.
//  2. Every fault is in faults.jsonl before it is done, and so is what mends it.
//  3. At most one broker of three is down or frozen at a time, and the next fault waits until all
//     replicas are in sync, so that Kafka itself loses nothing that it acknowledged.
//  4. A run always heals, settles and dumps in the same order. What could not be done is a problem
//     in its summary, and no run with a problem has passed.
//  5. The driver never judges histories. That is the checker's work.
package torture
