package exactlyonce

// Places of the engine that Config.point is told, so that tests can stop or crash there.
const (
	pointSetup             = "setup"              // a generation began, nothing of it is restored
	pointRestore           = "restore"            // in the middle of a restore
	pointRestored          = "restored"           // everything restored, nothing handled
	pointFetched           = "fetched"            // inputs were read, none handled
	pointDecided           = "decided"            // a step is about to join the open batch
	pointBeforeTransaction = "before-transaction" // a batch was cut
	// the brokers have all records of the transaction
	pointProduced         = "inside-produced"
	pointOffsets          = "inside-offsets"    // the transaction holds the offsets, too
	pointAfterTransaction = "after-transaction" // committed, not applied
	pointApplied          = "applied"           // applied, not flushed to the store
	pointFlushed          = "flushed"           // the store was written
	// a generation ends, its last batch is not committed
	pointCleanup     = "cleanup"
	pointBeforeLeave = "before-leave" // all committed, still a member
	// both transactional ids are ours, nothing is read
	pointInitialised        = "initialised"
	pointOneIDInitialised   = "one-id-initialised"  // one of two
	pointBetweenGenerations = "between-generations" // cleaned up, not joined again
)
