//go:build planted

package planted

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// chosen is the planted bug, or "".
var chosen = func() Bug {
	bug := Bug(os.Getenv("FOLDLOG_PLANTED"))
	if bug != "" && !slices.Contains(Bugs(), bug) {
		fmt.Fprintf(os.Stderr, "FOLDLOG_PLANTED=%s: there is no such bug; there are %v\n", bug, Bugs())
		os.Exit(2)
	}
	return bug
}()

// Has reports whether a bug is planted.
func Has(bug Bug) bool { return bug == chosen }

// Failpoint returns what is to be called at named places of the engine. FOLDLOG_FAILPOINT is
// "place", "place@hit" or "place@hit:freeze": at the given hit of the place (the first, if none is
// given) the process kills itself, or stops itself as by SIGSTOP.
func Failpoint() func(name string) {
	text := os.Getenv("FOLDLOG_FAILPOINT")
	if text == "" {
		return nil
	}
	text, action, _ := strings.Cut(text, ":")
	place, hitText, counted := strings.Cut(text, "@")
	hit := int64(1)
	if counted {
		var err error
		if hit, err = strconv.ParseInt(hitText, 10, 64); err != nil {
			fmt.Fprintf(os.Stderr, "FOLDLOG_FAILPOINT=%s: %v\n", os.Getenv("FOLDLOG_FAILPOINT"), err)
			os.Exit(2)
		}
	}
	signal := syscall.SIGKILL
	if action == "freeze" {
		signal = syscall.SIGSTOP
	}
	return func(name string) {
		if name == place && hits.Add(1) == hit {
			_ = syscall.Kill(os.Getpid(), signal)
		}
	}
}

// hits counts over all groups of the process.
var hits atomic.Int64
