// Package contract compares what the program shows to the outside with a recording of an earlier
// build: answers over HTTP, output and exit codes of the command line, topics, and the bytes of
// records.
//
// testdata/session.txt is what is done, testdata/golden.txt is what the earlier build answered, and
// testdata/intended.txt lists each difference that is meant, with its reason.
//
// Invariants:
//
//  1. The program is a black box: the test builds ./cmd/foldlog, starts it as a process, and uses
//     its command line, HTTP and Kafka. It imports nothing of the product.
//  2. Only what differs between two runs of one build is masked: times, random ids, addresses,
//     directories, durations, offsets, hashes that contain times.
//  3. A difference that is not listed fails, and so does a listed one that is no longer there.
package contract
