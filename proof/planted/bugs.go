package planted

import "hash/fnv"

// Bug names a deliberate breakage. Each stands behind an `if` at its place in the product;
// table_test.go says who notices it.
type Bug string

// Bugs of the engine (processors/exactlyonce).
const (
	// offsets are sent without the generation, in transactions or not: nothing fences an old owner
	NoGeneration Bug = "no-generation"
	// offsets are read although a transaction may still change them (no RequireStable)
	OffsetsNotStable Bug = "offsets-not-stable"
	// a restore ends at the last stable offset: what an open transaction commits later is missed
	RestoreToLastStable Bug = "restore-to-last-stable"
	// a group without offsets starts at the end: inputs from before are skipped
	StartAtNewest Bug = "start-at-newest"
	// inputs are read uncommitted: records of aborted transactions are handled
	InputsUncommitted Bug = "inputs-uncommitted"
	// rows go to the local store before their transaction is committed
	ApplyBeforeCommit Bug = "apply-before-commit"
	// offsets move on to steps that the transaction does not hold
	CommitHole Bug = "commit-hole"
	// offsets are committed beside the transaction: they stay when it is aborted
	OffsetsOutsideTransaction Bug = "offsets-outside-transaction"
	// of two transactional ids one is initialised at start: what a crash left open under the other
	// stays open
	OneIDInitialised Bug = "one-id-initialised"
	// a row is left out of its transaction while the store does not have the one of a transaction
	// before
	CoalesceAcross Bug = "coalesce-across-transactions"
	// a transaction whose end is unknown passes for committed
	UnknownEndAsCommitted Bug = "unknown-end-as-committed"
	// what a dead member without a table left open keeps readers waiting until it expires
	GoneNotFenced Bug = "gone-not-fenced"
	// records that failed are written again in the same transaction, beside those that did not
	WrittenAgainInside Bug = "written-again-inside"
	// a transaction whose end is unknown passes for aborted, and its batch is written again
	UnknownEndAsAborted Bug = "unknown-end-as-aborted"
	// now and then a record of a transaction, such as an outcome, is lost
	LostOutcome Bug = "lost-outcome"
	// now and then a record of a transaction, such as an outcome, is written twice
	DoubleOutcome Bug = "double-outcome"
	// rows leave memory before the store has them
	EarlyEviction Bug = "early-eviction"
	// the index of command ids is not read back from the outcomes
	IndexNotRestored Bug = "index-not-restored"
	// a restore passes over deletions
	TombstoneIgnored Bug = "tombstone-ignored"
	// the store of a topic that was created anew is merged with the new topic
	TopicIDIgnored Bug = "topic-id-ignored"
	// a store is trusted although deletions may be gone from the log
	LongAbsenceTrusted Bug = "long-absence-trusted"
	// records go to the partition that FNV says, not murmur2
	FNVOutputs Bug = "fnv-outputs"
	// progress is written before the records that it speaks of
	ProgressBeforeRecords Bug = "progress-before-records"
	ProgressDropped       Bug = "progress-dropped" // progress is not written
	// a stateless group, as a re-key is, writes the records of a transaction in another order
	UnorderedRekey Bug = "unordered-rekey"
)

// Bugs of what commands, events and rows mean (processors).
const (
	NoCommandIDCheck Bug = "no-command-id-check" // a repeated command is executed again
	// a command id that is beyond the horizon is still refused as a repeat
	HorizonIgnored         Bug = "horizon-ignored"
	ExpectedVersionIgnored Bug = "expected-version-ignored" // an expected version is not checked
	// the chain is not advanced for the second event of a command
	ChainStandsStill Bug = "chain-stands-still"
	// events are recorded at the process's time instead of the log's
	RecordedAtFromClock Bug = "recorded-at-from-clock"
	// an aggregate's row is that of the command before
	StateRowBehind Bug = "state-row-behind"
	// input that cannot be handled vanishes
	DeadLetterLost Bug = "dead-letter-lost"
	// a dead letter does not say where its input stands
	DeadLetterWithoutPlace Bug = "dead-letter-without-place"
	// a policy's command has a random id: handled again, it is another command
	PolicyCommandIDRandom Bug = "policy-command-id-random"
	// now and then a projection passes over an event
	ProjectionSkipsEvent Bug = "projection-skips-event"
)

// Bugs of the views.
const (
	ViewUncommitted Bug = "view-uncommitted" // a view that follows its topic reads uncommitted
	// a view is read before it has what was in the log when it connected
	ViewAnswersEarly Bug = "view-answers-early"
	ViewSkipsRow     Bug = "view-skips-row"     // now and then a view passes over a record
	LaterOutcomeWins Bug = "later-outcome-wins" // a second answer to a command replaces the first
)

// Bugs of the edge.
const (
	// commands are acknowledged by one replica and written without idempotence
	AcksOne Bug = "acks-one"
	// commands go to the partition that FNV says, and nobody forwards them
	FNVCommands Bug = "fnv-commands"
	// Foldlog-After is ignored: a stale read passes for a fresh one
	AfterIgnored Bug = "after-ignored"
	// a command is answered before the log has it and before it has an outcome
	AnswerWithoutOutcome Bug = "answer-without-outcome"
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
