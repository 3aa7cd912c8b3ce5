// Command engine measures the exactly-once engine on Apache Kafka against others who do the same
// work: plain Goka, our own at-least-once runner, Kafka Streams, and a bare transactional loop as
// the bound. One broker (stalls have three), one machine, one run of the program;
// docs/performance.md says how to read what it prints.
//
// Invariants:
//
//  1. Every peer is a process of its own, reads the same preloaded commands, writes to fresh topics
//     as a fresh group, and is measured from outside: the kernel's account of its processor time,
//     and what a reader sees.
//  2. A figure is printed only if the output was right: in the first of several runs, and in every
//     restore, the records are read back and compared with what the commands must lead to. A wrong
//     one ends the program with an error.
//  3. Throughput is that of the second half of the commands, the same for all, when caches and
//     Java's compiler are warm.
//  4. Latency counts from when a command was due, not from when it was sent: a stall is seen by all
//     commands that it held up.
//  5. Runs of different peers alternate, so that a change of the machine's mood meets all of them.
//  6. What is printed says machine, load, versions and settings.
package main
