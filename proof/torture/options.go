package torture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/foldlog/foldlog/proof/planted"
	"github.com/foldlog/foldlog/proof/torture/system"
)

// Options say how scenarios are run. The zero value of a field means its default.
type Options struct {
	// Seed decides what is done; default taken from the clock by the command.
	Seed uint64
	// Duration bounds the time of faults, and Faults their number; the first to be reached ends
	// them. Default the scenario's.
	Duration time.Duration
	Faults   int
	// Rate is what the clients do in a second, without the probes; default 150.
	Rate int
	// ProbeEvery is the pace of each partition's probes; default 100 ms. Where the processors are
	// few, a slower one keeps the probes from being the load that they should measure.
	ProbeEvery time.Duration
	// WarmUp is how long there is load before the first fault; default none. A system that started
	// a moment ago is busy with compiling the brokers' code, and its stalls are longer than those
	// of one that is at work.
	WarmUp time.Duration
	// Out takes a directory for each run; default "torture-runs".
	Out string
	// Keep keeps the data of brokers and instances of a run that passed, too.
	Keep bool
	// Beside are commands that run over and over beside the load; see [Besides].
	Beside []string
	// Planted is the bug that every instance has.
	Planted string
	// Embedded runs on `foldlog dev` instead of Apache Kafka.
	Embedded bool
	// Binaries are built if they are not given.
	Binaries system.Binaries
	// Checker is the program that judges; default foldlog-check beside this program, then on the
	// path.
	Checker string
	// Progress is told what happens; default nobody.
	Progress io.Writer
}

// EnsureDefaults sets each zero field to its default.
func (o *Options) EnsureDefaults() {
	if o.Rate == 0 {
		o.Rate = 150
	}
	if o.ProbeEvery == 0 {
		o.ProbeEvery = 100 * time.Millisecond
	}
	if o.Out == "" {
		o.Out = "torture-runs"
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
}

// Validate returns all that is wrong with the options, after EnsureDefaults.
func (o Options) Validate() error {
	var all []error
	if o.Rate < 5 || o.Rate > 5000 {
		all = append(all, fmt.Errorf("--rate %d: use 5 to 5000 in a second", o.Rate))
	}
	if o.ProbeEvery < 10*time.Millisecond || o.ProbeEvery > 5*time.Second {
		all = append(all, fmt.Errorf("--probe-every %s: use 10ms to 5s", o.ProbeEvery))
	}
	if o.Duration < 0 || o.Faults < 0 || o.WarmUp < 0 {
		all = append(all, errors.New("--duration, --faults and --warm-up must not be negative"))
	}
	for _, name := range o.Beside {
		if besides[name] == nil {
			all = append(all, fmt.Errorf("--beside %s: use %s", name, strings.Join(Besides(), ", ")))
		}
	}
	if o.Binaries.Product != "" && o.Planted != "" && o.Binaries.Planted == "" {
		all = append(all, errors.New("--planted needs a binary that has the bug: give --planted-binary, too, or leave --binary out"))
	}
	if o.Planted != "" {
		_, err := planted.Named(o.Planted)
		all = append(all, err)
	}
	return errors.Join(all...)
}

// newRunDir makes a directory for a run. One of the same scenario and seed gets a number behind.
func newRunDir(out, scenario string, seed uint64) (string, error) {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		dir := filepath.Join(out, fmt.Sprintf("%s-%d", scenario, seed))
		if n > 1 {
			dir = fmt.Sprintf("%s.%d", dir, n)
		}
		err := os.Mkdir(dir, 0o755)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		return filepath.Abs(dir)
	}
}

// rebuilds reports whether a projection is rebuilt beside the load.
func rebuilds(o Options) bool { return slices.Contains(o.Beside, besideRebuild) }
