package crash

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Point returns the function that the engine calls at named places. FOLDLOG_FAILPOINT is "place",
// "place@hit" or "place@hit:freeze": at the given hit of the place (the first, if none is given)
// the process kills itself, or stops itself as by SIGSTOP.
func Point() func(name string) {
	text, action, _ := strings.Cut(os.Getenv("FOLDLOG_FAILPOINT"), ":")
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
