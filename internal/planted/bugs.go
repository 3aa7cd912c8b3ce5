package planted

// Bug names a deliberate breakage.
type Bug string

// Bugs of the engine.
const (
	NoGeneration              Bug = "no-generation"                // offsets are sent without the generation: nothing fences an old owner
	RestoreToLastStable       Bug = "restore-to-last-stable"       // a restore does not wait for open transactions: it misses what they commit
	ApplyBeforeCommit         Bug = "apply-before-commit"          // rows go to the store before their transaction is committed
	CommitHole                Bug = "commit-hole"                  // offsets move on to steps that the transaction does not hold
	OffsetsOutsideTransaction Bug = "offsets-outside-transaction"  // offsets are committed beside the transaction
	OneIDInitialised          Bug = "one-id-initialised"           // one of two transactional ids: what the other left open stays open
	CoalesceAcross            Bug = "coalesce-across-transactions" // a row is not written since the transaction before wrote that key
	LostOutcome               Bug = "lost-outcome"                 // now and then the last record of a transaction is not written
	DoubleOutcome             Bug = "double-outcome"               // now and then it is written twice
	EarlyEviction             Bug = "early-eviction"               // rows are evicted from memory before they are stored
	IndexNotRestored          Bug = "index-not-restored"           // commands are not recognised after a takeover
	TopicIDIgnored            Bug = "topic-id-ignored"             // the store of a deleted topic is taken for that of the new one
	UnknownEndAsCommitted     Bug = "unknown-end-as-committed"     // a transaction that nobody confirmed is taken for committed
	UnknownEndAsAborted       Bug = "unknown-end-as-aborted"       // it is taken for aborted and written again
)

// Bugs returns all of them.
func Bugs() []Bug {
	return []Bug{
		NoGeneration, RestoreToLastStable, ApplyBeforeCommit, CommitHole, OffsetsOutsideTransaction, OneIDInitialised, CoalesceAcross, LostOutcome,
		DoubleOutcome, EarlyEviction, IndexNotRestored, TopicIDIgnored, UnknownEndAsCommitted, UnknownEndAsAborted,
	}
}
