package exactlyonce

// The places where tests may crash, as Config.Failpoint is told them.
const (
	PointSetup             = "setup"              // a generation began, nothing of it is restored
	PointRestore           = "restore"            // in the middle of a restore
	PointRestored          = "restored"           // everything restored, nothing handled
	PointFetched           = "fetched"            // inputs were read, none handled
	PointDecided           = "decided"            // a step is about to join the open batch
	PointBeforeTransaction = "before-transaction" // a batch was cut
	// the brokers have all records of the transaction
	PointProduced         = "inside-produced"
	PointOffsets          = "inside-offsets"    // the transaction holds the offsets, too
	PointAfterTransaction = "after-transaction" // committed, not applied
	PointApplied          = "applied"           // applied, not flushed to the store
	PointFlushed          = "flushed"           // the store was written
	// a generation ends, its last batch is not committed
	PointCleanup     = "cleanup"
	PointBeforeLeave = "before-leave" // all committed, still a member
	// both transactional ids are ours, nothing is read
	PointInitialised        = "initialised"
	PointOneIDInitialised   = "one-id-initialised"  // one of two
	PointBetweenGenerations = "between-generations" // cleaned up, not joined again
)

// Points are all places, in the order in which an undisturbed run reaches them for the first time.
func Points() []string {
	return []string{PointOneIDInitialised, PointInitialised, PointSetup, PointRestore, PointRestored, PointFetched, PointDecided,
		PointBeforeTransaction, PointProduced, PointOffsets, PointAfterTransaction, PointApplied, PointFlushed,
		PointCleanup, PointBetweenGenerations, PointBeforeLeave}
}
