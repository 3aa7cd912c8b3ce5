// Command foldlog-torture drives the whole system under load and faults and has the runs judged by
// foldlog-check.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes are those of foldlog: 1 is a finding, 2 a wrong command line, 3 that something outside
// is in the way.
const (
	exitFinding        = 1
	exitUsage          = 2
	exitInfrastructure = 3
)

// finding is an error about what was found, not about finding it.
type finding struct{ error }

// usage is an error about the command line.
type usage struct{ error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	started := false
	err := command(&started).ExecuteContext(ctx)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "foldlog-torture:", err)
	stop()
	os.Exit(exitCode(err, started))
}

// exitCode returns the code of an error. What fails before a command has started is the command
// line.
func exitCode(err error, started bool) int {
	if _, is := errors.AsType[finding](err); is {
		return exitFinding
	}
	if _, is := errors.AsType[usage](err); is || !started {
		return exitUsage
	}
	return exitInfrastructure
}
