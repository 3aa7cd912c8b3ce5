// Package kafkatest starts Apache Kafka and a schema registry for tests, as child processes on
// loopback, and breaks them on purpose: kill, freeze, stop and boot a broker, chosen by its role.
// It needs a JDK, from 17 on for Kafka and from 21 on for the registry, and Maven for the first
// start on a machine, which fetches Apache Kafka and Apicurio Registry from Maven Central into a
// cache (FOLDLOG_CACHE, default the user's cache directory). The first start also makes an archive
// of the classes that a broker loads, with which others start in two thirds of the processor time.
//
// [StartKafka] and [StartRegistry] are for any program. [Shared], [SharedRegistry], [Start] and
// [Need] are the thin part for tests: they skip where FOLDLOG_TEST_KAFKA is not 1, because
// `make test` needs only Go.
//
// Invariants:
//
//  1. Everything listens on 127.0.0.1 alone, on ports outside the range from which the system picks
//     the local end of connections: a broker that is down finds its port free when it boots again.
//     Processes that use this package never share a port.
//  2. No child outlives the process that started it: Close kills it, and on Linux the kernel does
//     when the process dies in any way.
//  3. A node keeps its id, ports and data over Kill and Boot. Node ids are 1, 2, ... as in Kafka's
//     own output, and every method takes and returns node ids.
//  4. Ready means that the real interface answers: every running broker lists every running broker
//     and finds coordinators; the registry lists its subjects. An open port alone is not ready.
//  5. A directory in the cache is complete: it appears by a rename, under a lock across processes.
//  6. Nothing waits without a deadline, and a process that died is reported at once, with the end
//     of its log.
package kafkatest
