package cli

import (
	"context"
	"errors"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/node"
)

// Exit codes.
//
// NB: must not change. Scripts depend on them.
const (
	// ExitOK means that everything is as it should be.
	ExitOK = 0
	// ExitFinding means that the command worked and what it found is not as it should be: a lint
	// finding, a rejected command, a mismatch.
	ExitFinding = int(node.Finding)
	// ExitUsage means that the command line, the environment or the configuration file is wrong.
	ExitUsage = int(node.Usage)
	// ExitInfrastructure means that something outside the program is in the way: no broker, a taken
	// port, a full disk.
	ExitInfrastructure = int(node.Infrastructure)
)

// Finding returns an error with [ExitFinding]. It formats like fmt.Errorf.
func Finding(format string, args ...any) error { return node.Finding.Errorf(format, args...) }

// Usage returns an error with [ExitUsage]. It formats like fmt.Errorf.
func Usage(format string, args ...any) error { return node.Usage.Errorf(format, args...) }

// Infrastructure returns an error with [ExitInfrastructure]. It formats like fmt.Errorf. It is also
// what an error without a code counts as.
func Infrastructure(format string, args ...any) error {
	return node.Infrastructure.Errorf(format, args...)
}

// exitCode returns the code of an error. started says whether the command itself ran: what fails
// before is the command line.
func exitCode(err error, started bool) int {
	var coded *node.Error
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &coded):
		return int(coded.Kind)
	case !started:
		return ExitUsage
	}
	return ExitInfrastructure
}

// mismatchIsFinding gives an error about topics that are not as declared its exit code: no retry
// mends it.
func mismatchIsFinding(err error) error {
	if errors.Is(err, cluster.ErrMismatch) {
		return Finding("%w", err)
	}
	return err
}

// explain returns the text of an error for people.
func explain(err error) string {
	if errors.Is(err, context.Canceled) {
		var coded *node.Error
		if !errors.As(err, &coded) {
			return "interrupted"
		}
	}
	return err.Error()
}
