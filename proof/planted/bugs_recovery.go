package planted

// recoveryBugs are those of how the engine begins: membership, offsets, restore and its stores.
var recoveryBugs = []Bug{
	{
		Name:   "offsets-not-stable",
		Breaks: "offsets are read although a transaction may still change them (no RequireStable)",
		Plant: []Replacement{{engine + "/membership.go",
			`config.ClientID = e.config.Cluster.ClientID`,
			`config.Consumer.IsolationLevel = sarama.ReadUncommitted
			config.ClientID = e.config.Cluster.ClientID`,
		}},
		Caught: []Catch{{Room: engine, Test: "^TestOffsetsOfAnOpenTransactionAreWaitedFor$", Says: `a generation began from offsets that a transaction may still change`, Kafka: true}},
	},
	{
		Name:   "restore-to-last-stable",
		Breaks: "a restore ends at the last stable offset: what an open transaction commits later is missed",
		Plant: []Replacement{{engine + "/restore.go",
			`switch {
	case from > end:`,
			`if end, err = r.offset(ctx, -1, readCommitted); err != nil {
				return 0, err
			}
			switch {
			case from > end:`,
		}},
		Caught: []Catch{
			{Room: engine, Test: "^TestOpenTransactionOfAStrangerIsWaitedFor$", Says: `it did not wait for the open transaction`},
			{Room: engine, Test: "^TestOpenTransactionOfAStrangerIsWaitedFor$", Says: `it did not wait for the open transaction`, Kafka: true},
		},
		Simulated: `outcome|event|row|has index entry`,
	},
	{
		Name:   "start-at-newest",
		Breaks: "a group without offsets starts at the end: inputs from before are skipped",
		Plant: []Replacement{{engine + "/fetch.go",
			`kgo.NewOffset().AtStart()`,
			`kgo.NewOffset().AtEnd()`,
		}},
		Caught: []Catch{{Room: engine, Test: "^TestCommandsFromBeforeTheFirstStartAreHandled$", Says: `\d+ outcomes, want \d+`}},
	},
	{
		Name:   "inputs-uncommitted",
		Breaks: "inputs are read uncommitted: records of aborted transactions are handled",
		Plant: []Replacement{
			{engine + "/fetch.go",
				`if f.client, err = kgo.NewClient(opts...); err != nil {`,
				`opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadUncommitted()))
				if f.client, err = kgo.NewClient(opts...); err != nil {`},
			{engine + "/fetch.go",
				`if err := assertFetch(f.client); err != nil {`,
				`if err := assertFetch(f.client); false {`},
		},
		Caught: []Catch{{Room: engine, Test: "^TestAbortedInputsAreNotHandled$", Says: `outcome \d+: ".* aborted\d .*", want`}},
	},
	{
		Name:   "gone-not-fenced",
		Breaks: "what a dead member without a table left open keeps readers waiting until it expires",
		Plant: []Replacement{{engine + "/fence.go",
			`return e.fenceGone(ctx)`,
			`return nil`,
		}},
		Caught: []Catch{{Room: engine, Test: "^TestWhatADeadMemberLeftOpenAnywhereIsAborted$", Says: `the transaction of the dead member is open still`}},
	},
	{
		Name:   "early-eviction",
		Breaks: "rows leave memory before the store has them",
		Plant: []Replacement{{engine + "/entries.go",
			`case e.uses.Load() > 0:`,
			`case false:`,
		}},
		Caught:    []Catch{{Room: engine, Test: "^TestMoreKeysThanTheCacheHolds$", Says: `outcome \d+: ".* first", want ".* first"`}},
		Simulated: `outcome|event`,
	},
	{
		Name:   "index-not-restored",
		Breaks: "the index of command ids is not read back from the outcomes",
		Plant: []Replacement{{engine + "/open.go",
			`if l.group.Index != nil {
		if _, err := l.restoreTopic(`,
			`if false {
				if _, err := l.restoreTopic(`,
		}},
		Caught:    []Catch{{Room: engine, Test: "^TestRepeatedCommandsAreAnsweredFromTheIndex$", Says: `outcome \d+: ".* first", want ".* repeat"`}},
		Simulated: `first", want ".* repeat"|has index entry`,
	},
	{
		Name:   "tombstone-ignored",
		Breaks: "a restore passes over deletions",
		Plant: []Replacement{{engine + "/open.go",
			`func (b *restoreBuffer) add(s stored) error {`,
			`func (b *restoreBuffer) add(s stored) error {
				if s.value == nil {
					return nil
				}`,
		}},
		Caught: []Catch{{Room: engine, Test: "^TestDeletionsAreRestored$", Says: `the row was deleted, so this was its first version`}},
	},
	{
		Name:   "topic-id-ignored",
		Breaks: "the store of a topic that was created anew is merged with the new topic",
		Plant: []Replacement{{engine + "/store.go",
			`case r.TableID != want.tableID || r.IndexID != want.indexID:`,
			`case false:`,
		}},
		Caught:    []Catch{{Room: engine, Test: "^TestRecreatedTopicIsNotMergedWithAnOldStore$", Says: `outcome \d+: ".* first", want ".* repeat"`}},
		Simulated: `store .* has (row|index entry)|outcome`,
	},
	{
		Name:   "long-absence-trusted",
		Breaks: "a store is trusted although deletions may be gone from the log",
		Plant: []Replacement{{engine + "/store.go",
			`case age > want.longestAbsence:`,
			`case false:`,
		}},
		Caught: []Catch{{Room: engine, Test: "^TestStoreThatWasAwayTooLongIsRebuilt$", Says: `a store that was away for too long: "v"`}},
	},
}
