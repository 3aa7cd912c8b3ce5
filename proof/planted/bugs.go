package planted

import "hash/fnv"

// Bug names a deliberate breakage. Each stands behind an `if` at its place in the product; table_test.go says who notices it.
type Bug string

// Bugs of the engine (processors/exactlyonce).
const (
	NoGeneration              Bug = "no-generation"                // offsets are sent without the generation, in transactions or not: nothing fences an old owner
	OffsetsNotStable          Bug = "offsets-not-stable"           // offsets are read although a transaction may still change them (no RequireStable)
	RestoreToLastStable       Bug = "restore-to-last-stable"       // a restore ends at the last stable offset: what an open transaction commits later is missed
	StartAtNewest             Bug = "start-at-newest"              // a group without offsets starts at the end: inputs from before are skipped
	InputsUncommitted         Bug = "inputs-uncommitted"           // inputs are read uncommitted: records of aborted transactions are handled
	ApplyBeforeCommit         Bug = "apply-before-commit"          // rows go to the local store before their transaction is committed
	CommitHole                Bug = "commit-hole"                  // offsets move on to steps that the transaction does not hold
	OffsetsOutsideTransaction Bug = "offsets-outside-transaction"  // offsets are committed beside the transaction: they stay when it is aborted
	OneIDInitialised          Bug = "one-id-initialised"           // of two transactional ids one is initialised at start: what a crash left open under the other stays open
	CoalesceAcross            Bug = "coalesce-across-transactions" // a row is left out of its transaction while the store does not have the one of a transaction before
	UnknownEndAsCommitted     Bug = "unknown-end-as-committed"     // a transaction whose end is unknown passes for committed
	GoneNotFenced             Bug = "gone-not-fenced"              // what a dead member without a table left open keeps readers waiting until it expires
	WrittenAgainInside        Bug = "written-again-inside"         // records that failed are written again in the same transaction, beside those that did not
	UnknownEndAsAborted       Bug = "unknown-end-as-aborted"       // a transaction whose end is unknown passes for aborted, and its batch is written again
	LostOutcome               Bug = "lost-outcome"                 // now and then a record of a transaction, such as an outcome, is lost
	DoubleOutcome             Bug = "double-outcome"               // now and then a record of a transaction, such as an outcome, is written twice
	EarlyEviction             Bug = "early-eviction"               // rows leave memory before the store has them
	IndexNotRestored          Bug = "index-not-restored"           // the index of command ids is not read back from the outcomes
	TombstoneIgnored          Bug = "tombstone-ignored"            // a restore passes over deletions
	TopicIDIgnored            Bug = "topic-id-ignored"             // the store of a topic that was created anew is merged with the new topic
	LongAbsenceTrusted        Bug = "long-absence-trusted"         // a store is trusted although deletions may be gone from the log
	FNVOutputs                Bug = "fnv-outputs"                  // records go to the partition that FNV says, not murmur2
	ProgressBeforeRecords     Bug = "progress-before-records"      // progress is written before the records that it speaks of
	ProgressDropped           Bug = "progress-dropped"             // progress is not written
	UnorderedRekey            Bug = "unordered-rekey"              // a stateless group, as a re-key is, writes the records of a transaction in another order
)

// Bugs of what commands, events and rows mean (processors).
const (
	NoCommandIDCheck       Bug = "no-command-id-check"       // a repeated command is executed again
	HorizonIgnored         Bug = "horizon-ignored"           // a command id that is beyond the horizon is still refused as a repeat
	ExpectedVersionIgnored Bug = "expected-version-ignored"  // an expected version is not checked
	ChainStandsStill       Bug = "chain-stands-still"        // the chain is not advanced for the second event of a command
	RecordedAtFromClock    Bug = "recorded-at-from-clock"    // events are recorded at the process's time instead of the log's
	StateRowBehind         Bug = "state-row-behind"          // an aggregate's row is that of the command before
	DeadLetterLost         Bug = "dead-letter-lost"          // input that cannot be handled vanishes
	DeadLetterWithoutPlace Bug = "dead-letter-without-place" // a dead letter does not say where its input stands
	PolicyCommandIDRandom  Bug = "policy-command-id-random"  // a policy's command has a random id: handled again, it is another command
	ProjectionSkipsEvent   Bug = "projection-skips-event"    // now and then a projection passes over an event
)

// Bugs of the views.
const (
	ViewUncommitted  Bug = "view-uncommitted"   // a view that follows its topic reads uncommitted
	ViewAnswersEarly Bug = "view-answers-early" // a view is read before it has what was in the log when it connected
	ViewSkipsRow     Bug = "view-skips-row"     // now and then a view passes over a record
	LaterOutcomeWins Bug = "later-outcome-wins" // a second answer to a command replaces the first
)

// Bugs of the edge.
const (
	AcksOne              Bug = "acks-one"               // commands are acknowledged by one replica and written without idempotence
	FNVCommands          Bug = "fnv-commands"           // commands go to the partition that FNV says, and nobody forwards them
	AfterIgnored         Bug = "after-ignored"          // Foldlog-After is ignored: a stale read passes for a fresh one
	AnswerWithoutOutcome Bug = "answer-without-outcome" // a command is answered before the log has it and before it has an outcome
)

// Bugs returns all of them.
func Bugs() []Bug {
	return []Bug{
		NoGeneration, OffsetsNotStable, RestoreToLastStable, StartAtNewest, InputsUncommitted, ApplyBeforeCommit, CommitHole,
		OffsetsOutsideTransaction, OneIDInitialised, CoalesceAcross, GoneNotFenced, WrittenAgainInside, UnknownEndAsCommitted, UnknownEndAsAborted, LostOutcome,
		DoubleOutcome, EarlyEviction, IndexNotRestored, TombstoneIgnored, TopicIDIgnored, LongAbsenceTrusted, FNVOutputs,
		ProgressBeforeRecords, ProgressDropped, UnorderedRekey,
		NoCommandIDCheck, HorizonIgnored, ExpectedVersionIgnored, ChainStandsStill, RecordedAtFromClock, StateRowBehind, DeadLetterLost,
		DeadLetterWithoutPlace, PolicyCommandIDRandom, ProjectionSkipsEvent,
		ViewUncommitted, ViewAnswersEarly, ViewSkipsRow, LaterOutcomeWins,
		AcksOne, FNVCommands, AfterIgnored, AnswerWithoutOutcome,
	}
}

// FNV is the hash by which sarama and Goka choose a partition where nobody tells them otherwise.
func FNV(key []byte) uint32 {
	h := fnv.New32a()
	_, _ = h.Write(key)
	return h.Sum32()
}
