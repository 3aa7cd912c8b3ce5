package planted

// doorBugs are those of how commands are written and answered, and of reads.
var doorBugs = []Bug{
	{
		Name:   "acks-one",
		Breaks: "commands are acknowledged by one replica and written without idempotence",
		Plant: []Replacement{{gateway + "/producer.go",
			`if p.client, err = kgo.NewClient(opts...); err != nil {`,
			`opts = append(opts, kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck()))
			if p.client, err = kgo.NewClient(opts...); err != nil {`,
		}},
		Caught: []Catch{{Room: gateway, Test: "^TestCommandsAreWrittenIdempotentlyToAllReplicas$", Says: `written with acks 1 \(want -1, all\) and producer id -1`}},
	},
	{
		Name:   "fnv-commands",
		Breaks: "commands go to the partition that FNV says, and nobody forwards them",
		Plant: []Replacement{
			{gateway + "/producer.go", `import (`, `import (
				"hash/fnv"`},
			{gateway + "/producer.go",
				`if p.client, err = kgo.NewClient(opts...); err != nil {`,
				`opts = append(opts, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(kgo.KafkaHasher(func(key []byte) uint32 {
					h := fnv.New32a()
					h.Write(key)
					return h.Sum32()
				}))))
				if p.client, err = kgo.NewClient(opts...); err != nil {`},
			{processors + "/aggregate.go",
				`!= in.Partition || len(in.Key) == 0 {`,
				`!= in.Partition && false || len(in.Key) == 0 {`},
		},
		Caught: []Catch{{Room: gateway, Test: "^TestCommandsGoWhereJavaProducersPutThem$", Says: `written to partition \d+ at \d+, want partition`}},
	},
	{
		Name:   "after-ignored",
		Breaks: "Foldlog-After is ignored: a stale read passes for a fresh one",
		Plant: []Replacement{{edge + "/headers.go",
			`func (s *Server) afterOf(h http.Header) (foldlog.Token, error) {`,
			`func (s *Server) afterOf(h http.Header) (foldlog.Token, error) {
				return nil, nil`,
		}},
		Caught: []Catch{{Room: edge, Test: "^TestReadsWaitForWhatTheyAskFor$", Says: `code is "not_found", want "not_yet_visible"`}},
	},
	{
		Name:   "answer-without-outcome",
		Breaks: "a command is answered before the log has it and before it has an outcome",
		Plant: []Replacement{{gateway + "/gateway.go",
			`if err := g.producer.append(ctx, record); err != nil {`,
			`if true {
				g.producer.client.Produce(context.WithoutCancel(ctx), record, nil)
				return foldlog.Outcome{CommandID: command.CommandID, AggregateID: command.ID, Accepted: true}, nil
			}
			if err := g.producer.append(ctx, record); err != nil {`,
		}},
		Caught: []Catch{{Room: edge, Test: "^TestOutcomesBecomeAnswers$/^accept$", Says: `first_version is 0, want 9007199254740993`}},
	},
}
