//go:build planted

package exactlyonce

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/foldlog/foldlog/internal/planted"
)

// What the simulation must say to each planted bug of the engine, and within how many seeds. That a run does not drain is no finding: it is what
// a time-out would be elsewhere.
var simFindings = []struct {
	bug  planted.Bug
	says string
}{
	{"", ``},
	{planted.NoGeneration, `outcome|event|row`},
	{planted.RestoreToLastStable, `outcome|event|row|has index entry`},
	{planted.ApplyBeforeCommit, `which is not committed \(invariant 6\)`},
	{planted.CommitHole, `outcomes?|events?`},
	{planted.OffsetsOutsideTransaction, `outcomes?|events?`},
	{planted.OneIDInitialised, `is open still \(invariant 5\)`},
	{planted.CoalesceAcross, `row|outcome`},
	{planted.LostOutcome, `\d+ (outcomes|events|relayed events), want \d+|comes after`},
	{planted.DoubleOutcome, `\d+ (outcomes|events|relayed events), want \d+|comes after`},
	{planted.EarlyEviction, `outcome|event`},
	{planted.IndexNotRestored, `first", want ".* repeat"|has index entry`},
	{planted.TopicIDIgnored, `store .* has (row|index entry)|outcome`},
	{planted.UnknownEndAsCommitted, `which is not committed \(invariant 6\)|outcomes?|events?`},
	{planted.UnknownEndAsAborted, `outcomes?|events?`},
}

func TestSimulationFindsPlantedBugs(t *testing.T) {
	if os.Getenv("FOLDLOG_PLANTED") != "" {
		t.Skip("this is the run with a bug")
	}
	for _, f := range simFindings {
		name := string(f.bug)
		if name == "" {
			name = "none"
		}
		t.Run(name, func(t *testing.T) {
			run := exec.Command(os.Args[0], "-test.run=^TestSimulation$", "-sim.seeds=2000")
			run.Env = append(os.Environ(), "FOLDLOG_PLANTED="+string(f.bug))
			output, err := run.CombinedOutput()
			if f.bug == "" {
				if err != nil {
					t.Errorf("without a bug: %v\n%s", err, output)
				}
				return
			}
			found := regexp.MustCompile(`seed \d+: (.*)`).FindSubmatch(output)
			switch {
			case err == nil:
				t.Error("2000 seeds passed")
			case found == nil || bytes.HasPrefix(found[1], []byte("it does not drain")) || bytes.HasPrefix(found[1], []byte("panic")) || !regexp.MustCompile(f.says).Match(found[1]):
				t.Errorf("it failed otherwise: %v\n%.2000s", err, output)
			default:
				t.Logf("%s", found[0])
			}
		})
	}
}
