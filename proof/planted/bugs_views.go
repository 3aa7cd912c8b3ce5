package planted

// viewBugs are those of the tables beside a query server.
var viewBugs = []Bug{
	{
		Name:   "view-uncommitted",
		Breaks: "a view that follows its topic reads uncommitted",
		Plant: []Replacement{{views + "/tail.go",
			`config.Consumer.IsolationLevel = sarama.ReadCommitted`,
			`config.Consumer.IsolationLevel = sarama.ReadUncommitted`,
		}},
		Caught: []Catch{{Room: views, Test: "^TestLogsThatEndInAnAbort$", Says: `a is 9\d, <nil>, want`}},
	},
	{
		Name:   "view-answers-early",
		Breaks: "a view is read before it has what was in the log when it connected",
		Plant: []Replacement{{views + "/replica.go",
			`if r.recovered {
		return nil`,
			`if r.recovered || r.store != nil {
				return nil`,
		}},
		Caught: []Catch{{Room: views, Test: "^TestOpenTransactionBelowTheEnd$", Says: `a read before the transaction ended: <nil>`}},
	},
	{
		Name:   "view-skips-row",
		Breaks: "now and then a view passes over a record",
		Plant: []Replacement{{views + "/replica.go",
			`if err := stage(r.store, c); err != nil {`,
			`if rec.offset%17 == 16 {
				stage = func(*store, *changes) error { return nil }
			}
			if err := stage(r.store, c); err != nil {`,
		}},
		Caught: []Catch{{Room: views, Test: "^TestEveryRecordThatComesIsApplied$", Says: `1\d\d rows of 200 are there`}},
	},
	{
		Name:   "later-outcome-wins",
		Breaks: "a second answer to a command replaces the first",
		Plant: []Replacement{{views + "/outcomes.go",
			`if before.Code != foldlog.CodeInternal && outcome.RecordedAt.Sub(recordedAt) <= x.horizon {`,
			`if before.Repeat {`,
		}},
		Caught: []Catch{{Room: views, Test: "^TestFirstOutcomeStands$", Says: `2 repeats, want 3`}},
	},
}
