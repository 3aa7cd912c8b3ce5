package cli

import (
	"context"
	"sync"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/replay"
)

// replayFlags are the flags of commands that read the whole log.
type replayFlags struct {
	memory  *int
	tempDir *string
}

func (c *Context) addReplayFlags(cmd *cobra.Command) replayFlags {
	f := replayFlags{
		memory:  cmd.Flags().Int("memory", replay.DefaultMemory>>20, "`MiB` for states, rows and command ids; what is beyond it goes to the temporary directory"),
		tempDir: cmd.Flags().String("temp-dir", "", "`directory` for what does not fit into memory; default the system's"),
	}
	c.AddFlags(cmd, KafkaFlags|RegistryFlags|TopicFlags)
	return f
}

// replayConfig returns how to read the log. The progress is shown under the name of what is done; done removes it.
func (c *Context) replayConfig(cmd *cobra.Command, f replayFlags, what string) (config replay.Config, done func(), err error) {
	if *f.memory < 1 {
		return config, nil, Usage("--memory %d: use at least 1", *f.memory)
	}
	config = replay.Config{Topology: c.App.Topology, Memory: int64(*f.memory) << 20, TempDir: *f.tempDir, Logger: c.Logger}
	if err := lintError(c.App); err != nil {
		return config, nil, err
	}
	if config.Cluster, config.Settings, err = c.clusterAndSettings(cmd); err != nil {
		return config, nil, err
	}
	registry, err := c.registryConfig()
	if err != nil {
		return config, nil, err
	}
	if config.Codecs, err = c.codecs(cmd.Context(), registry); err != nil {
		return config, nil, err
	}
	var once sync.Once
	var progress *Progress
	config.Progress = func(n, total int64) {
		once.Do(func() { progress = c.NewProgress(what, "records", int(total)) })
		progress.Add(int(n))
	}
	return config, func() {
		once.Do(func() {}) // whoever comes later finds none
		if progress != nil {
			progress.Close()
		}
	}, nil
}

// served returns how to ask the system at --url.
func (c *Context) served(sample int) (*replay.Served, error) {
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
	return &replay.Served{
		Sample: sample,
		State: func(ctx context.Context, aggregate, id string, after foldlog.Token) (replay.Answer, bool, error) {
			s, err := cl.State(ctx, aggregate, id, after)
			found, err := missing(err)
			return replay.Answer{Value: s.Data, Version: s.Version, Position: s.Position}, found, err
		},
		Row: func(ctx context.Context, view, key string, after foldlog.Token) (replay.Answer, bool, error) {
			row, err := cl.ViewRow(ctx, view, key, after)
			found, err := missing(err)
			return replay.Answer{Value: row.Data, Position: row.Position}, found, err
		},
	}, nil
}
