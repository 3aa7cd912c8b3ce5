package kit

import (
	"cmp"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/topology"
)

// DefaultMemory is the default of [Config.Memory].
const DefaultMemory = 512 << 20

// DefaultMaxFindings is the default of [Config.MaxFindings].
const DefaultMaxFindings = 100

// Config says which log to read and with how much of the machine. Topology, Codecs and Cluster are
// required; the zero value of any other field means its default.
type Config struct {
	Topology *topology.Topology
	Settings topology.Settings
	// Codecs may be nil for work that decodes nothing.
	Codecs  *codecs.Codecs
	Cluster cluster.Config
	// Memory bounds, in bytes, the states, rows and outcomes that are kept, over all partitions
	// that are read at a time; default DefaultMemory. The rest goes to TempDir. Fetched records
	// come on top: some 12 MiB for each topic of each worker.
	Memory int64
	// TempDir takes data that does not fit into Memory, in a directory that is removed afterwards;
	// default the system's.
	TempDir string
	// Workers is how many partitions are read at a time; default one for each processor.
	Workers int
	// MaxFindings is how many findings are listed; they are counted beyond it. Default
	// DefaultMaxFindings.
	MaxFindings int
	// Patience is how long the brokers may not answer, or an open transaction may hold a partition
	// back, before the reading fails; default 1 min.
	Patience time.Duration
	// Progress, if not nil, is told each time that n more of total offsets were read. It is called
	// by several goroutines.
	Progress func(n, total int64)
	// Logger logs slow steps and retries; default none.
	Logger *slog.Logger
}

// EnsureDefaults sets each zero field to its default.
func (c *Config) EnsureDefaults() {
	c.Settings.EnsureDefaults()
	c.Cluster.EnsureDefaults()
	c.Memory = cmp.Or(c.Memory, DefaultMemory)
	c.Workers = cmp.Or(c.Workers, runtime.GOMAXPROCS(0))
	c.MaxFindings = cmp.Or(c.MaxFindings, DefaultMaxFindings)
	c.Patience = cmp.Or(c.Patience, time.Minute)
	if c.Progress == nil {
		c.Progress = func(int64, int64) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Validate returns all that is wrong with the configuration, after EnsureDefaults.
func (c Config) Validate() error {
	var all []error
	if c.Topology == nil || c.Codecs == nil {
		all = append(all, errors.New("no topology or no codecs"))
	}
	if c.Memory < 64<<10 {
		all = append(all, errors.New("memory: use at least 64 KiB"))
	}
	if c.Workers < 1 || c.MaxFindings < 1 || c.Patience < 0 {
		all = append(all, errors.New("workers, findings and patience: use at least 1"))
	}
	return errors.Join(append(all, c.Settings.Validate(), c.Cluster.Validate())...)
}
