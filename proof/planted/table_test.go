package planted

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// catch says how a bug is noticed: by a test of a package that fails with certain words. A time-out
// or a crash is no such word.
type catch struct {
	bug  Bug
	room string // the package's folder
	run  string // what -run gets
	says string // what the failed test must say, as a regular expression
	// on Apache Kafka, which the embedded broker cannot stand in for or is to be compared with
	kafka bool
}

const (
	engine     = "processors/exactlyonce"
	processing = "processors"
	viewing    = "views"
	edge       = "edge"
)

// table has at least one row for each bug.
var table = []catch{
	{bug: NoGeneration, room: engine, run: "^TestOldGenerationCannotCommit$", says: `transactions V1 of an older generation: <nil>`},
	{bug: NoGeneration, room: engine, run: "^TestOldGenerationCannotCommit$", says: `transactions V2 of an older generation: <nil>`, kafka: true},
	{bug: OffsetsNotStable, room: engine, run: "^TestOffsetsOfAnOpenTransactionAreWaitedFor$", says: `a generation began from offsets that a transaction may still change`, kafka: true},
	{bug: RestoreToLastStable, room: engine, run: "^TestOpenTransactionOfAStrangerIsWaitedFor$", says: `it did not wait for the open transaction`},
	{bug: RestoreToLastStable, room: engine, run: "^TestOpenTransactionOfAStrangerIsWaitedFor$", says: `it did not wait for the open transaction`, kafka: true},
	{bug: StartAtNewest, room: engine, run: "^TestCommandsFromBeforeTheFirstStartAreHandled$", says: `\d+ outcomes, want \d+`},
	{bug: InputsUncommitted, room: engine, run: "^TestAbortedInputsAreNotHandled$", says: `outcome \d+: ".* aborted\d .*", want`},
	{bug: ApplyBeforeCommit, room: engine, run: "^TestNothingCountsBeforeTheCommit$", says: `the store has row .*, and its transaction may still be aborted`},
	{bug: CommitHole, room: engine, run: "^TestEveryTransactionHasItsRowsAndItsOffset$", says: `offset \d+ is committed with the first transaction, which has one input`},
	{bug: OffsetsOutsideTransaction, room: engine, run: "^TestNothingCountsBeforeTheCommit$", says: `offset \d+ counts, and its transaction may still be aborted`},
	{bug: OffsetsOutsideTransaction, room: engine, run: "^TestCrashAtEveryPoint$/^inside-offsets$", says: `\d+ outcomes, want \d+`},
	{bug: OneIDInitialised, room: engine, run: "^TestReturningInstanceAbortsWhatItLeftOpen$", says: `both ids are initialised, and a transaction is still open`},
	{bug: CoalesceAcross, room: engine, run: "^TestEveryTransactionHasItsRowsAndItsOffset$", says: `the first two transactions wrote 1 rows`},
	{bug: UnknownEndAsCommitted, room: engine, run: "^TestUnknownEndIsLearnedFromTheLog$/^aborted$", says: `\d\d outcomes, want 100`},
	{bug: GoneNotFenced, room: engine, run: "^TestWhatADeadMemberLeftOpenAnywhereIsAborted$", says: `the transaction of the dead member is open still`},
	{bug: WrittenAgainInside, room: engine, run: "^TestTransactionsOutlastBrokersThatMove$/^a_record_fails,_transactions_V1$", says: `outcomes, want 100`},
	{bug: UnknownEndAsAborted, room: engine, run: "^TestUnknownEndIsLearnedFromTheLog$/^committed$", says: `1[0-9]\d outcomes, want 100`},
	{bug: LostOutcome, room: engine, run: "^TestEveryCommandTakesEffectOnce$", says: `1\d\d\d outcomes, want 2000`},
	{bug: DoubleOutcome, room: engine, run: "^TestEveryCommandTakesEffectOnce$", says: `2\d\d\d outcomes, want 2000`},
	{bug: EarlyEviction, room: engine, run: "^TestMoreKeysThanTheCacheHolds$", says: `outcome \d+: ".* first", want ".* first"`},
	{bug: IndexNotRestored, room: engine, run: "^TestRepeatedCommandsAreAnsweredFromTheIndex$", says: `outcome \d+: ".* first", want ".* repeat"`},
	{bug: TombstoneIgnored, room: engine, run: "^TestDeletionsAreRestored$", says: `the row was deleted, so this was its first version`},
	{bug: TopicIDIgnored, room: engine, run: "^TestRecreatedTopicIsNotMergedWithAnOldStore$", says: `outcome \d+: ".* first", want ".* repeat"`},
	{bug: LongAbsenceTrusted, room: engine, run: "^TestStoreThatWasAwayTooLongIsRebuilt$", says: `a store that was away for too long: "v"`},
	{bug: FNVOutputs, room: engine, run: "^TestEveryCommandTakesEffectOnce$", says: `outcome 0: ".*", want ".*"`},
	{bug: ProgressBeforeRecords, room: engine, run: "^TestProgressFollowsWhatItSpeaksOf$", says: `progress speaks of command \d+, the row before it has only \d+`},
	{bug: ProgressDropped, room: engine, run: "^TestProgressFollowsWhatItSpeaksOf$", says: `progress of partition 0: "", want "acc/0/\d+"`},
	{bug: UnorderedRekey, room: engine, run: "^TestStatelessGroupKeepsTheOrder$", says: `record \d+: ".*", want ".*"`},

	{bug: NoCommandIDCheck, room: processing, run: "^TestRepeatedCommandIDsChangeNothing$", says: `the repeat is not the first answer`},
	{bug: HorizonIgnored, room: processing, run: "^TestCommandIDsAreRememberedForTheHorizon$", says: `91 minutes later, with a horizon of an hour`},
	{bug: ExpectedVersionIgnored, room: processing, run: "^TestExpectedVersion$", says: `expected version 1 of a new aggregate`},
	{bug: ChainStandsStill, room: processing, run: "^TestEventsOfOneCommandAreChained$", says: `event 1 of command first breaks the chain`},
	{bug: RecordedAtFromClock, room: processing, run: "^TestRecordedTimeIsTheLogs$", says: `the log has the command at .*, the event says`},
	{bug: StateRowBehind, room: processing, run: "^TestRowIsTheFoldOfTheEvents$", says: `the events fold to version 21`},
	{bug: DeadLetterLost, room: processing, run: "^TestBadInputIsAnsweredOrSetAside$", says: `without a dead letter: `},
	{bug: DeadLetterWithoutPlace, room: processing, run: "^TestBadInputIsAnsweredOrSetAside$", says: `dead letter for //, which is none`},
	{bug: PolicyCommandIDRandom, room: processing, run: "^TestPolicyCommandsHaveDerivedIDs$", says: `the policy's command has the id`},
	{bug: ProjectionSkipsEvent, room: processing, run: "^TestProjectionHasEveryEvent$", says: `the row says \d+, the events add up to 820`},

	{bug: ViewUncommitted, room: viewing, run: "^TestLogsThatEndInAnAbort$", says: `a is 9\d, <nil>, want`},
	{bug: ViewAnswersEarly, room: viewing, run: "^TestOpenTransactionBelowTheEnd$", says: `a read before the transaction ended: <nil>`},
	{bug: ViewSkipsRow, room: viewing, run: "^TestEveryRecordThatComesIsApplied$", says: `1\d\d rows of 200 are there`},
	{bug: LaterOutcomeWins, room: viewing, run: "^TestFirstOutcomeStands$", says: `2 repeats, want 3`},

	{bug: AcksOne, room: edge, run: "^TestCommandsAreWrittenIdempotentlyToAllReplicas$", says: `written with acks 1 \(want -1, all\) and producer id -1`},
	{bug: FNVCommands, room: edge, run: "^TestCommandsGoWhereJavaProducersPutThem$", says: `written to partition \d+ at \d+, want partition`},
	{bug: AfterIgnored, room: edge, run: "^TestReadsWaitForWhatTheyAskFor$", says: `code is "not_found", want "not_yet_visible"`},
	{bug: AnswerWithoutOutcome, room: edge, run: "^TestOutcomesBecomeAnswers$/^accept$", says: `first_version is 0, want 9007199254740993`},
}

// declaration is a bug as bugs.go has it.
type declaration struct {
	name   string // of the constant
	breaks string // the comment beside it
}

func declarations(t *testing.T) map[Bug]declaration {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "bugs.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	all := map[Bug]declaration{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := all[Bug(text)]; twice {
			t.Errorf("two bugs have the name %s", text)
		}
		all[Bug(text)] = declaration{spec.Names[0].Name, strings.TrimSpace(spec.Comment.Text())}
		return true
	})
	return all
}

// places returns the constants of the bugs that have a place in the product.
func places(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	place := regexp.MustCompile(`planted\.Has\(planted\.(\w+)\)`)
	err := filepath.WalkDir("../..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		source, err := os.ReadFile(file)
		for _, found := range place.FindAllSubmatch(source, -1) {
			all[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryBugHasItsRowAndItsPlace(t *testing.T) {
	declared, planted := declarations(t), places(t)
	if len(declared) != len(Bugs()) {
		t.Errorf("bugs.go declares %d bugs, Bugs returns %d", len(declared), len(Bugs()))
	}
	for _, bug := range Bugs() {
		switch d := declared[bug]; {
		case d.breaks == "":
			t.Errorf("bugs.go does not say beside its name what %s breaks", bug)
		case !planted[d.name]:
			t.Errorf("%s is planted nowhere", bug)
		}
		if !slices.ContainsFunc(table, func(c catch) bool { return c.bug == bug }) {
			t.Errorf("nothing says who notices %s", bug)
		}
	}
	for _, c := range table {
		if _, err := regexp.Compile(c.says); err != nil || c.says == "" || c.run == "" {
			t.Errorf("the row of %s: it needs a test and a regular expression (%v)", c.bug, err)
		}
	}
}

// The product holds nothing of the switch; the same program with the build tag does.
func TestProductHoldsNothingPlanted(t *testing.T) {
	build := func(tags string) string {
		t.Helper()
		binary := filepath.Join(t.TempDir(), "foldlog")
		cmd := exec.Command("go", "build", "-tags", tags, "-o", binary, "./cmd/foldlog")
		cmd.Dir = "../.."
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build the product: %v\n%s", err, out)
		}
		data, err := os.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	words := []string{"FOLDLOG_PLANTED", "FOLDLOG_FAILPOINT"}
	product, other := build(""), build("planted")
	for _, word := range words {
		if strings.Contains(product, word) {
			t.Errorf("the product contains %s", word)
		}
		if !strings.Contains(other, word) {
			t.Errorf("the program with planted bugs does not contain %s", word)
		}
	}
	for _, bug := range Bugs() {
		// a place of the engine has that name, too
		if bug != OneIDInitialised && strings.Contains(product, string(bug)) {
			t.Errorf("the product contains the name of the bug %s", bug)
		}
	}
}
