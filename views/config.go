package views

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/versions"
	"github.com/foldlog/foldlog/topology"
)

// DefaultMaxLag is the default of [Config.MaxLag].
const DefaultMaxLag = 10_000

// Config says which topics to replicate, from which cluster, and into which directory. Topology,
// Codecs, Cluster and DataDir are required.
type Config struct {
	Topology *topology.Topology
	Settings topology.Settings
	Codecs   *codecs.Codecs
	Cluster  cluster.Config
	// DataDir is the process's data directory. The stores are in its subdirectory "views", which is
	// made with mode 0700 and belongs to one process at a time. It can be deleted while no process
	// runs: it is read again from Kafka.
	DataDir string
	// Versions says which version of each projection serves. It is required if the topology has
	// several versions of a projection.
	Versions *versions.Follower
	// MaxLag is how many committed records each view may lack for the set to be ready; default
	// 10,000.
	MaxLag int64
	// Logger receives the log of the views; default none.
	Logger *slog.Logger
	// Metrics is where metrics are registered until [Set.Run] returns; default none.
	Metrics prometheus.Registerer
}

// EnsureDefaults sets each zero field to its default.
func (c *Config) EnsureDefaults() {
	c.Settings.EnsureDefaults()
	c.Cluster.EnsureDefaults()
	if c.MaxLag == 0 {
		c.MaxLag = DefaultMaxLag
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Validate returns all that is wrong with the configuration, after EnsureDefaults.
func (c Config) Validate() error {
	var all []error
	if c.Topology == nil {
		all = append(all, errors.New("no topology"))
	}
	if c.Codecs == nil {
		all = append(all, errors.New("no codecs"))
	}
	if c.DataDir == "" {
		all = append(all, errors.New("no data directory: set --data-dir"))
	}
	if c.MaxLag < 0 {
		all = append(all, fmt.Errorf("largest lag %d: use at least 1", c.MaxLag))
	}
	return errors.Join(append(all, c.Settings.Validate(), c.Cluster.Validate())...)
}

func (c Config) dir() string { return filepath.Join(c.DataDir, "views") }
