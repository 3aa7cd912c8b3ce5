package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/foldlog/foldlog/proof/torture/results"
)

const (
	// besideLimit is how long a command beside the load may take.
	besideLimit = 5 * time.Minute
	// besidePause is between two rounds of it, so that most of a small machine is left to the load.
	besidePause = 10 * time.Second
)

// besides are the commands that can run beside the load, over and over, as an operator would run
// them. What reads or fills while everything else goes on must neither imagine anything nor be in
// the way. A round is a list of commands.
var besides = map[string][][]string{
	"verify": {{"verify", "--json"}},
	besideRebuild: {
		{"rebuild", "balances", "--json", "--rate", "500"}, // filled, compared, switched to
		{"rebuild", "balances", "--back"},
		{"rebuild", "balances", "--drop"},
	},
}

// besideRebuild needs a release that declares what is rebuilt.
const besideRebuild = "rebuild"

// Besides returns the names of what can run beside the load.
func Besides() []string {
	var names []string
	for name := range besides {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// beside is one of them under way.
type beside struct {
	run    *run
	name   string
	enough chan struct{} // no further round
	cancel context.CancelFunc
	ended  sync.WaitGroup
	count  results.Beside
}

// startBeside starts what the options ask for.
func (r *run) startBeside(ctx context.Context) {
	for _, name := range r.options.Beside {
		b := &beside{run: r, name: name, enough: make(chan struct{})}
		r.beside = append(r.beside, b)
		var rounds context.Context
		rounds, b.cancel = context.WithCancel(ctx)
		b.ended.Go(func() {
			for {
				b.round(rounds, false)
				select {
				case <-rounds.Done():
					return
				case <-b.enough:
					return
				case <-time.After(besidePause):
				}
			}
		})
	}
}

// pauseBeside waits for the rounds under way; no other follows by itself.
func (r *run) pauseBeside() {
	for _, b := range r.beside {
		close(b.enough)
		b.ended.Wait()
	}
}

// lastBeside has one more round of each, now that nothing is broken any more, and reports whether
// there was any.
func (r *run) lastBeside(ctx context.Context) bool {
	for _, b := range r.beside {
		b.round(ctx, true)
	}
	return len(r.beside) > 0
}

// stopBeside cuts off what still runs, and returns what came of everything.
func (r *run) stopBeside() map[string]results.Beside {
	counts := map[string]results.Beside{}
	for _, b := range r.beside {
		b.cancel()
		b.ended.Wait()
		counts[b.name] = b.count
	}
	return counts
}

// round runs the commands once. While something is broken, a command may say that it is in its way;
// a healthy system leaves no excuse, and what is found in the data is never one.
func (b *beside) round(ctx context.Context, healthy bool) {
	b.count.Rounds++
	for _, args := range besides[b.name] {
		code, printed, err := b.command(ctx, args)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && code == 0:
			continue
		}
		file := filepath.Join(b.run.dir, fmt.Sprintf("%s-%d.txt", b.name, b.count.Rounds))
		err = errors.Join(err, os.WriteFile(file, printed, 0o600))
		found := findings(printed)
		if err == nil && found == 0 && (code == exitInfrastructure || code == exitRefused) && !healthy {
			b.count.Interrupted++
			return
		}
		b.count.Findings += found
		b.run.problem("foldlog %s ended with code %d: %s", strings.Join(args, " "), code, file)
		if err != nil {
			b.run.problem("foldlog %s: %s", args[0], err)
		}
		return
	}
}

// command runs foldlog and returns its exit code and all that it printed. The error is that it
// could not be run, or took too long.
func (b *beside) command(ctx context.Context, args []string) (code int, printed []byte, err error) {
	limited, cancel := context.WithTimeout(ctx, besideLimit)
	defer cancel()
	printed, err = b.run.system.Command(limited, args...).CombinedOutput()
	exit := (*exec.ExitError)(nil)
	switch {
	case limited.Err() != nil:
		return 0, printed, fmt.Errorf("not done within %s", besideLimit)
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode(), printed, nil
	}
	return 0, printed, err
}

// Exit codes of foldlog: that it refuses or has found something, and that something was in its way.
const (
	exitRefused        = 1
	exitInfrastructure = 3
)

// findings returns how many a command's JSON counts, 0 if it prints none.
func findings(printed []byte) int {
	at := bytes.IndexByte(printed, '{')
	if at < 0 {
		return 0
	}
	var report struct{ Total int }
	_ = json.NewDecoder(bytes.NewReader(printed[at:])).Decode(&report) // something else was printed
	return report.Total
}
