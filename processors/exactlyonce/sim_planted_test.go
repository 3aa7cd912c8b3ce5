//go:build planted

package exactlyonce

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/foldlog/foldlog/proof/planted"
)

// What the simulation must say to each planted bug of the engine, and within how many seeds. That a
// run does not drain is no finding: it is what a time-out would be elsewhere.
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
	{planted.WrittenAgainInside, `outcomes?|events?`},
	{planted.UnknownEndAsAborted, `outcomes?|events?`},
}

var simFinding = regexp.MustCompile(`seed (\d+): (.*)`)

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
			const seeds = 2000
			for first := 1; ; {
				run := exec.Command(os.Args[0], "-test.run=^TestSimulation$", fmt.Sprintf("-sim.first=%d", first), fmt.Sprintf("-sim.seeds=%d", seeds-first+1))
				run.Env = append(os.Environ(), "FOLDLOG_PLANTED="+string(f.bug))
				output, err := run.CombinedOutput()
				if f.bug == "" {
					if err != nil {
						t.Errorf("without a bug: %v\n%s", err, output)
					}
					return
				}
				found := simFinding.FindSubmatch(output)
				if found != nil && bytes.HasPrefix(found[2], []byte("it does not drain")) {
					seed, _ := strconv.Atoi(string(found[1])) // digits, by the expression
					if first = seed + 1; first <= seeds {
						continue
					}
				}
				switch {
				case err == nil:
					t.Errorf("%d seeds passed", seeds)
				case found == nil || bytes.HasPrefix(found[2], []byte("it does not drain")) || bytes.HasPrefix(found[2], []byte("panic")) || !regexp.MustCompile(f.says).Match(found[2]):
					t.Errorf("it failed otherwise: %v\n%.2000s", err, output)
				default:
					t.Logf("%s", found[0])
				}
				return
			}
		})
	}
}
