package cli

import (
	"context"
	"os"
	"runtime/debug"
	"sync"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/internal/versions"
	"github.com/foldlog/foldlog/node"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/replay/verify"
	"github.com/foldlog/foldlog/topology"
)

// replayFlags are the flags of commands that read the whole log.
type replayFlags struct {
	memory  *int
	tempDir *string
}

func (c *Context) addReplayFlags(cmd *cobra.Command) replayFlags {
	f := replayFlags{
		memory:  cmd.Flags().Int("memory", kit.DefaultMemory>>20, "`MiB` for states and rows; what is beyond it goes to the temporary directory"),
		tempDir: cmd.Flags().String("temp-dir", "", "`directory` for what does not fit into memory; default the system's"),
	}
	c.AddFlags(cmd, KafkaFlags|RegistryFlags|TopicFlags)
	return f
}

// replayConfig returns how to read the log, of those versions of projections that are live. The
// progress is shown under the name of what is done; done removes it.
func (c *Context) replayConfig(cmd *cobra.Command, f replayFlags, what string) (config kit.Config, live *versions.Resolved, done func(), err error) {
	if config, err = c.readingConfig(cmd, f); err != nil {
		return config, nil, nil, err
	}
	if live, err = versions.Resolve(cmd.Context(), config.Cluster, config.Topology, config.Settings.Names()); err != nil {
		return config, nil, nil, mismatchIsFinding(err)
	}
	config.Topology = live.Live
	progress := c.newOpenProgress(what)
	config.Progress = progress.add
	return config, live, progress.close, nil
}

// readingConfig is replayConfig without a progress, for every declared version.
func (c *Context) readingConfig(cmd *cobra.Command, f replayFlags) (config kit.Config, err error) {
	if *f.memory < 1 {
		return config, Usage("--memory %d: use at least 1", *f.memory)
	}
	collectRarely(int64(*f.memory) << 20)
	config = kit.Config{Topology: c.App.Topology, Memory: int64(*f.memory) << 20, TempDir: *f.tempDir, Logger: c.Logger}
	if err := node.Lint(c.App.Topology, c.App.Schemas); err != nil {
		return config, err
	}
	if config.Cluster, config.Settings, err = c.clusterAndSettings(cmd); err != nil {
		return config, err
	}
	registry, err := c.registryConfig()
	if err != nil {
		return config, err
	}
	config.Codecs, err = c.codecs(cmd.Context(), registry)
	return config, err
}

// collectRarely lets garbage grow to twice what is kept before it is collected. A reader of
// a whole log throws nearly everything away at once: with Go's default a third of the processors'
// time went into looking at what is kept, over and over. Where that is much, it is collected as
// often as it needs to be. GOGC and GOMEMLIMIT in the environment decide otherwise.
func collectRarely(memory int64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(2*memory + 256<<20)
	}
}

// openProgress is the progress of a work whose size is known only when it begins.
type openProgress struct {
	begin    func(total int64) *Progress
	once     sync.Once
	progress *Progress
}

func (c *Context) newOpenProgress(what string) *openProgress {
	return &openProgress{begin: func(total int64) *Progress { return c.NewProgress(what, "records", int(total)) }}
}

func (s *openProgress) add(n, total int64) {
	s.once.Do(func() { s.progress = s.begin(total) })
	s.progress.Add(int(n))
}

func (s *openProgress) close() {
	s.once.Do(func() {}) // a later caller finds none
	if s.progress != nil {
		s.progress.Close()
	}
}

// served returns how to ask the system at --url.
func (c *Context) served(sample int, states versions.States) (*verify.Served, error) {
	cl, err := c.Client(shortPatience)
	if err != nil {
		return nil, err
	}
	missing := func(err error) (found bool, failure error) {
		if err == nil {
			return true, nil
		}
		if client.CodeOf(err) == foldlog.CodeNotFound {
			return false, nil
		}
		return false, clientError(err)
	}
	return &verify.Served{
		Sample: sample,
		Serves: func(p *topology.ProjectionSpec) bool { return states[p.Name].Serving == p.Version },
		State: func(ctx context.Context, aggregate, id string, after foldlog.Token) (verify.Answer, bool, error) {
			s, err := cl.State(ctx, aggregate, id, after)
			found, err := missing(err)
			return verify.Answer{Value: s.Data, Version: s.Version, Position: s.Position}, found, err
		},
		Row: func(ctx context.Context, view, key string, after foldlog.Token) (verify.Answer, bool, error) {
			row, err := cl.ViewRow(ctx, view, key, after)
			found, err := missing(err)
			return verify.Answer{Value: row.Data, Projection: row.Version, Position: row.Position}, found, err
		},
	}, nil
}
