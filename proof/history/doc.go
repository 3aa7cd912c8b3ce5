// Package history is the form in which a torture run is kept: what clients asked for and were told,
// which faults there were, and all that the topics, views and stores contained at the end. A run is
// a directory, readable without the program that made it, and can be judged again at any time.
//
//	run.json                          [Run]: scenario, seed, settings
//	clients.jsonl                     [Op], one line for each event of a client's operation
//	faults.jsonl                      [Fault]
//	samples.jsonl                     [Sample]: memory, descriptors, goroutines
//	topics.json                       [Topics]: places, settings, committed offsets, schemas
//	topics/NAME.committed.jsonl       [Record], as read_committed
//	topics/NAME.uncommitted.jsonl     [Record], as read_uncommitted
//	views/INSTANCE/NAME.jsonl         [Row]: all rows of a view, as that instance answers over HTTP
//	states/INSTANCE/AGGREGATE.jsonl   [Row]: the states of all ids that clients used, likewise
//	stores/INSTANCE/TABLE.N.jsonl     [Row]: the rows in a processor's local store of partition N, which it owned at the end; keys and
//	                                  values in base64
//	stores-left/INSTANCE/TABLE.N.jsonl  likewise, of partitions that it had owned before: a copy of the table as of then
//	indexes/INSTANCE/TABLE.N.jsonl    [Row]: the command ids in it, likewise
//	receipts/INSTANCE/TABLE.N.jsonl   one line, what the store says of itself: topic ids and the offsets up to which it is complete
//	old-clients.jsonl                 [Op] of a world whose topics were deleted, see scenario recreate; none of it may show
//
// The torture driver writes it, and the checker reads it.
//
// Invariants:
//
//  1. Every file is JSON or JSON lines; a line that is cut off at the end of clients.jsonl,
//     faults.jsonl or samples.jsonl is passed over, since the driver may be killed.
//  2. An operation has one invoke and at most one of ok, fail and unknown; without any it is
//     unknown.
//  3. Times are the driver's wall clock in nanoseconds since 1970; all of a run's clients and
//     faults share it.
package history
