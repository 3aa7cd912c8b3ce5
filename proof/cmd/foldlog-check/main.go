// Command foldlog-check judges a kept run: see package check.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/foldlog/foldlog/proof/check"
)

// Exit codes.
const (
	exitFine = iota
	exitViolations
	exitUsage
	exitUnreadable
)

// memoryGoal is what memory is collected harder for: a run of a million commands should fit beside
// other work.
const memoryGoal = 3 << 30

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	flags := flag.NewFlagSet("foldlog-check", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print the report as JSON")
	show := flags.Int("show", 10, "print at most this many violations of each invariant")
	flags.Usage = func() {
		_, _ = fmt.Fprintf(flags.Output(), "usage: foldlog-check [--json] [--show N] RUN_DIR\n\nJudges the run kept in RUN_DIR by the invariants I1 to I12.\n"+
			"Exit codes: 0 no violation, 1 violations, 2 usage, 3 the run cannot be read.\n\n")
		flags.PrintDefaults()
	}
	dirs, err := parse(flags, args)
	if err != nil {
		return exitUsage
	}
	if len(dirs) != 1 {
		flags.Usage()
		return exitUsage
	}
	debug.SetMemoryLimit(memoryGoal)
	report, err := check.Run(dirs[0])
	if err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "foldlog-check: the run in %s cannot be judged: %v\n", dirs[0], err)
		return exitUnreadable
	}
	if *asJSON {
		err = report.WriteJSON(os.Stdout)
	} else {
		err = report.WriteText(os.Stdout, *show)
	}
	if err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "foldlog-check: write the report: %v\n", err)
		return exitUnreadable
	}
	if report.Found() > 0 {
		return exitViolations
	}
	return exitFine
}

// parse takes flags before and after the directory.
func parse(flags *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, flags.Arg(0)), flags.Args()[1:]
	}
}
