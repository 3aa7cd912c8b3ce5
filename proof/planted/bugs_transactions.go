package planted

// transactionBugs are those of what a transaction of the engine holds and when it counts.
var transactionBugs = []Bug{
	{
		Name:   "no-generation",
		Breaks: "offsets are sent without the generation, in transactions or not: nothing fences an old owner",
		Plant: []Replacement{{engine + "/offsets.go",
			`func (o Offsets) fence(generation *int32, memberID *string, instanceID **string) {`,
			`func (o Offsets) fence(generation *int32, memberID *string, instanceID **string) {
				return`,
		}},
		Caught: []Catch{
			{Room: engine, Test: "^TestOldGenerationCannotCommit$", Says: `transactions V1 of an older generation: <nil>`},
			{Room: engine, Test: "^TestOldGenerationCannotCommit$", Says: `transactions V2 of an older generation: <nil>`, Kafka: true},
		},
		Simulated: `outcome|event|row`,
	},
	{
		Name:   "apply-before-commit",
		Breaks: "rows go to the local store before their transaction is committed",
		Plant: []Replacement{{engine + "/commit.go",
			`if stats.OffsetsOnly {`,
			`g.apply(parts, w.Reached)
			if stats.OffsetsOnly {`,
		}},
		Caught:    []Catch{{Room: engine, Test: "^TestNothingCountsBeforeTheCommit$", Says: `the store has row .*, and its transaction may still be aborted`}},
		Simulated: `which is not committed \(invariant 6\)`,
	},
	{
		Name:   "commit-hole",
		Breaks: "offsets move on to steps that the transaction does not hold",
		Plant: []Replacement{{engine + "/generation.go",
			`o.Next[p.lane.partition] = p.batch.next`,
			`p.lane.mu.Lock()
			o.Next[p.lane.partition] = max(p.batch.next, p.lane.batch.next, p.lane.end.Load())
			p.lane.mu.Unlock()`,
		}},
		Caught:    []Catch{{Room: engine, Test: "^TestEveryTransactionHasItsRowsAndItsOffset$", Says: `offset \d+ is committed with the first transaction, which has one input`}},
		Simulated: `outcomes?|events?`,
	},
	{
		Name:   "offsets-outside-transaction",
		Breaks: "offsets are committed beside the transaction: they stay when it is aborted",
		Plant: []Replacement{{engine + "/offsets.go",
			`func (t *franzTxn) sendOffsets(ctx context.Context, o Offsets) error {`,
			`func (t *franzTxn) sendOffsets(ctx context.Context, o Offsets) error {
				return t.CommitOffsets(ctx, o)`,
		}},
		Caught: []Catch{
			{Room: engine, Test: "^TestNothingCountsBeforeTheCommit$", Says: `offset \d+ counts, and its transaction may still be aborted`},
			{Room: engine, Test: "^TestCrashAtEveryPoint$/^inside-offsets$", Says: `\d+ outcomes, want \d+`},
		},
		Simulated: `outcomes?|events?`,
	},
	{
		Name:   "one-id-initialised",
		Breaks: "only one of two transactional ids is initialised at start: what a crash left open under the other stays open",
		Plant: []Replacement{{engine + "/txn.go",
			`err = t.Init(initCtx)`,
			`if i == 0 {
				err = t.Init(initCtx)
			}`,
		}},
		Caught:    []Catch{{Room: engine, Test: "^TestReturningInstanceAbortsWhatItLeftOpen$", Says: `both ids are initialised, and a transaction is still open`}},
		Simulated: `is open still \(invariant 5\)`,
	},
	{
		Name:   "coalesce-across-transactions",
		Breaks: "a row is left out of its transaction while the store lacks the row of the transaction before",
		Plant: []Replacement{{engine + "/entries.go",
			`if e.batch == b {`,
			`if s.kind == kindRow && e.uses.Load() > 0 && e.batch != b {
				return
			}
			if e.batch == b {`,
		}},
		Caught:    []Catch{{Room: engine, Test: "^TestEveryTransactionHasItsRowsAndItsOffset$", Says: `the first two transactions wrote 1 rows`}},
		Simulated: `row|outcome`,
	},
	{
		Name:   "written-again-inside",
		Breaks: "records that failed are written again in the same transaction, beside those that did not",
		Plant: []Replacement{{engine + "/franztxn.go",
			`again := isForNow(err) || errors.Is(err, kerr.TransactionAbortable)`,
			`for isForNow(err) && ctx.Err() == nil {
				err = t.produce(ctx, w)
			}
			again := isForNow(err) || errors.Is(err, kerr.TransactionAbortable)`,
		}},
		Caught:    []Catch{{Room: engine, Test: "^TestTransactionsOutlastBrokersThatMove$/^a_record_fails,_transactions_V1$", Says: `outcomes, want 100`}},
		Simulated: `outcomes?|events?`,
	},
	{
		Name:   "unknown-end-as-committed",
		Breaks: "a transaction whose end is unknown passes for committed",
		Plant: []Replacement{endStaysUnknown, {engine + "/commit.go",
			`err = e.txns.next().Commit(ctx, w)`,
			`if err = e.txns.next().Commit(ctx, w); Cause(err) == CauseTransaction {
				err = nil
			}`,
		}},
		Caught:    []Catch{{Room: engine, Test: "^TestUnknownEndIsLearnedFromTheLog$/^aborted$", Says: `\d\d outcomes, want 100`}},
		Simulated: `which is not committed \(invariant 6\)|outcomes?|events?`,
	},
	{
		Name:   "unknown-end-as-aborted",
		Breaks: "a transaction whose end is unknown passes for aborted, and its batch is written again",
		Plant: []Replacement{endStaysUnknown, {engine + "/commit.go",
			`err = e.txns.next().Commit(ctx, w)`,
			`if err = e.txns.next().Commit(ctx, w); Cause(err) == CauseTransaction {
				err = e.txns.next().Commit(ctx, w)
			}`,
		}},
		Caught:    []Catch{{Room: engine, Test: "^TestUnknownEndIsLearnedFromTheLog$/^committed$", Says: `1[0-9]\d outcomes, want 100`}},
		Simulated: `outcomes?|events?`,
	},
	{
		Name:   "lost-outcome",
		Breaks: "now and then a record of a transaction, such as an outcome, is lost",
		Plant: []Replacement{{engine + "/lane.go",
			`first := b.offsetsOnly()`,
			`first := b.offsetsOnly()
			if in.Offset%7 == 6 {
				s.Records = s.Records[:max(len(s.Records)-1, 0)]
			}`,
		}},
		Caught:    []Catch{{Room: engine, Test: "^TestEveryCommandTakesEffectOnce$", Says: `1\d\d\d outcomes, want 2000`}},
		Simulated: `\d+ (outcomes|events|relayed events), want \d+|comes after`,
	},
	{
		Name:   "double-outcome",
		Breaks: "now and then a record of a transaction, such as an outcome, is written twice",
		Plant: []Replacement{{engine + "/lane.go",
			`first := b.offsetsOnly()`,
			`first := b.offsetsOnly()
			if in.Offset%7 == 6 {
				s.Records = append(s.Records, s.Records[max(len(s.Records)-1, 0):]...)
			}`,
		}},
		Caught:    []Catch{{Room: engine, Test: "^TestEveryCommandTakesEffectOnce$", Says: `2\d\d\d outcomes, want 2000`}},
		Simulated: `\d+ (outcomes|events|relayed events), want \d+|comes after`,
	},
	{
		Name:   "fnv-outputs",
		Breaks: "records go to the partition that FNV says, not murmur2",
		Plant: []Replacement{
			{engine + "/settings.go", `import (`, `import (
				"hash/fnv"`},
			{engine + "/settings.go",
				`return int(topology.PartitionOf(r.Key, partitions))`,
				`_ = topology.PartitionOf
				h := fnv.New32a()
				h.Write(r.Key)
				return int(h.Sum32() % uint32(partitions))`},
		},
		Caught: []Catch{{Room: engine, Test: "^TestEveryCommandTakesEffectOnce$", Says: `outcome 0: ".*", want ".*"`}},
	},
	{
		Name:   "progress-before-records",
		Breaks: "progress is written before the records that it speaks of",
		Plant: []Replacement{{engine + "/commit.go",
			`outputs = append(outputs, g.progress(p))`,
			`outputs = append([][]kgo.Record{g.progress(p)}, outputs...)`,
		}},
		Caught: []Catch{{Room: engine, Test: "^TestProgressFollowsWhatItSpeaksOf$", Says: `progress speaks of command \d+, the row before it has only \d+`}},
	},
	{
		Name:   "progress-dropped",
		Breaks: "progress is not written",
		Plant: []Replacement{{engine + "/commit.go",
			`outputs = append(outputs, g.progress(p))`,
			`_ = p`,
		}},
		Caught: []Catch{{Room: engine, Test: "^TestProgressFollowsWhatItSpeaksOf$", Says: `progress of partition 0: "", want "acc/0/\d+"`}},
	},
	{
		Name:   "unordered-rekey",
		Breaks: "a stateless group, as a re-key is, writes the records of a transaction in another order",
		Plant: []Replacement{
			{engine + "/commit.go", `import (`, `import (
				"slices"`},
			{engine + "/commit.go",
				`outputs = append(outputs, s.records)`,
				`if g.engine.group.Table == nil {
					slices.Reverse(s.records)
				}
				outputs = append(outputs, s.records)`},
		},
		Caught: []Catch{{Room: engine, Test: "^TestStatelessGroupKeepsTheOrder$", Says: `record \d+: ".*", want ".*"`}},
	},
}

// endStaysUnknown takes away the question to the log whether a transaction was committed.
var endStaysUnknown = Replacement{engine + "/franztxn.go",
	`err = t.ask(ctx, func(ctx context.Context, client kmsg.Requestor) error {
		req := kmsg.NewPtrEndTxnRequest()`,
	`return lost
	err = t.ask(ctx, func(ctx context.Context, client kmsg.Requestor) error {
		req := kmsg.NewPtrEndTxnRequest()`,
}
