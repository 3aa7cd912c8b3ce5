package planted

// domainBugs are those of what commands, events and rows mean.
var domainBugs = []Bug{
	{
		Name:   "no-command-id-check",
		Breaks: "a repeated command is executed again",
		Plant: []Replacement{{processors + "/aggregate.go",
			`if ok && first.Code != foldlog.CodeInternal && `,
			`if ok && false && `,
		}},
		Caught: []Catch{{Room: processors, Test: "^TestRepeatedCommandIDsChangeNothing$", Says: `the repeat is not the first answer`}},
	},
	{
		Name:   "horizon-ignored",
		Breaks: "a command id that is beyond the horizon is still refused as a repeat",
		Plant: []Replacement{{processors + "/aggregate.go",
			`ok && first.Code != foldlog.CodeInternal && d.command.RecordedAt.Sub(first.RecordedAt) <= d.horizon {`,
			`ok {`,
		}},
		Caught: []Catch{{Room: processors, Test: "^TestCommandIDsAreRememberedForTheHorizon$", Says: `91 minutes later, with a horizon of an hour`}},
	},
	{
		Name:   "expected-version-ignored",
		Breaks: "an expected version is not checked",
		Plant: []Replacement{{processors + "/decide.go",
			`want != nil && *want != before.Version {`,
			`want != nil && false {`,
		}},
		Caught: []Catch{{Room: processors, Test: "^TestExpectedVersion$", Says: `expected version 1 of a new aggregate`}},
	},
	{
		Name:   "chain-stands-still",
		Breaks: "the chain is not advanced for the second event of a command",
		Plant: []Replacement{{processors + "/decide.go",
			`chain, err = d.codec.Chain(ctx, chain, value)`,
			`if i == 0 {
				chain, err = d.codec.Chain(ctx, chain, value)
			}`,
		}},
		Caught: []Catch{{Room: processors, Test: "^TestEventsOfOneCommandAreChained$", Says: `event 1 of command first breaks the chain`}},
	},
	{
		Name:   "recorded-at-from-clock",
		Breaks: "events are recorded at the process's time instead of the log's",
		Plant: []Replacement{{processors + "/aggregate.go",
			`d := &decision{`,
			`command.RecordedAt = time.Now()
			d := &decision{`,
		}},
		Caught: []Catch{{Room: processors, Test: "^TestRecordedTimeIsTheLogs$", Says: `the log has the command at .*, the event says`}},
	},
	{
		Name:   "state-row-behind",
		Breaks: "an aggregate's row is that of the command before",
		Plant: []Replacement{{processors + "/decide.go",
			`encoded, err := d.codec.EncodeState(state)`,
			`encoded, err := d.codec.EncodeState(state)
			if exists {
				encoded, err = d.codec.EncodeState(before)
			}`,
		}},
		Caught: []Catch{{Room: processors, Test: "^TestRowIsTheFoldOfTheEvents$", Says: `the events fold to version 21`}},
	},
	{
		Name:   "dead-letter-lost",
		Breaks: "input that cannot be handled vanishes",
		Plant: []Replacement{{processors + "/deadletter.go",
			`return step.Step{Records: []record.Record{d.record(in, cause)}}`,
			`return step.Step{}`,
		}},
		Caught: []Catch{{Room: processors, Test: "^TestBadInputIsAnsweredOrSetAside$", Says: `without a dead letter: `}},
	},
	{
		Name:   "dead-letter-without-place",
		Breaks: "a dead letter does not say where its input stands",
		Plant: []Replacement{{processors + "/deadletter.go",
			`return codecs.DeadLetter(*in, d.topic, d.group, cause)`,
			`letter := codecs.DeadLetter(*in, d.topic, d.group, cause)
			letter.Headers = letter.Headers[:1]
			return letter`,
		}},
		Caught: []Catch{{Room: processors, Test: "^TestBadInputIsAnsweredOrSetAside$", Says: `dead letter for //, which is none`}},
	},
	{
		Name:   "policy-command-id-random",
		Breaks: "a policy's command has a random id: handled again, it is another command",
		Plant: []Replacement{
			{processors + "/policy.go", `import (`, `import (
				"crypto/rand"`},
			{processors + "/policy.go",
				`commandID := foldlog.PolicyCommandID(p.spec.Name, event.EventID, i)`,
				`commandID, _ := rand.Text(), i`},
		},
		Caught: []Catch{{Room: processors, Test: "^TestPolicyCommandsHaveDerivedIDs$", Says: `the policy's command has the id`}},
	},
	{
		Name:   "projection-skips-event",
		Breaks: "now and then a projection passes over an event",
		Plant: []Replacement{{processors + "/projection.go",
			`if strings.HasPrefix(string(in.Key), topology.ProgressPrefix) {`,
			`if strings.HasPrefix(string(in.Key), topology.ProgressPrefix) || in.Offset%17 == 16 {`,
		}},
		Caught: []Catch{{Room: processors, Test: "^TestProjectionHasEveryEvent$", Says: `the row says \d+, the events add up to 820`}},
	},
}
