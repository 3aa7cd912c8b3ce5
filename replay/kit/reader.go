package kit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/topology"
)

// Reader is one run over a system's log.
type Reader struct {
	Config Config
	Names  topology.Names
	Client *kgo.Client
	Admin  *kadm.Client
	// Total is how many offsets there are to read. While it is 0, reading is no progress: so it is
	// until it is known, and for look-ups.
	Total int64

	temp  string
	works atomic.Int64 // numbers the pieces of work, for their directories
}

// With checks the configuration, connects, does the work, and cleans up.
func With(c Config, do func(*Reader) error) (err error) {
	c.EnsureDefaults()
	if err := c.Validate(); err != nil {
		return err
	}
	r, err := Connect(c)
	if err != nil {
		return err
	}
	defer func() {
		if failure := r.Close(); err == nil {
			err = failure
		}
	}()
	return do(r)
}

// Connect takes a configuration that is complete. Follow it with [Reader.Close].
func Connect(c Config) (*Reader, error) {
	opts, err := c.Cluster.Franz()
	if err != nil {
		return nil, err
	}
	r := &Reader{Config: c, Names: c.Settings.Names()}
	if r.Client, err = kgo.NewClient(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))...); err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	r.Admin = kadm.NewClient(r.Client)
	if r.temp, err = os.MkdirTemp(c.TempDir, "foldlog-replay-"); err != nil {
		r.Client.Close()
		return nil, fmt.Errorf("directory for what does not fit into memory: %w", err)
	}
	return r, nil
}

// Close disconnects, and removes spilled data.
func (r *Reader) Close() error {
	r.Client.Close()
	if err := os.RemoveAll(r.temp); err != nil {
		return fmt.Errorf("remove what did not fit into memory: %w", err)
	}
	return nil
}

// Progress counts offsets that were read.
func (r *Reader) Progress(n int64) {
	if r.Total > 0 {
		r.Config.Progress(n, r.Total)
	}
}

// Budget returns the memory of one piece of work. The caller closes it.
func (r *Reader) Budget() *Budget {
	return &Budget{limit: r.Config.Memory / int64(r.Config.Workers), dir: filepath.Join(r.temp, strconv.FormatInt(r.works.Add(1), 10))}
}

// Work is a piece of work that reads partitions over a connection of its own.
type Work func(ctx context.Context, log *Log) error

// Each does all the work, as much of it at a time as there are workers. The first error ends all.
func (r *Reader) Each(ctx context.Context, all []Work) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.Config.Workers)
	for _, do := range all {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return r.WithLog(func(log *Log) error { return do(ctx, log) })
		})
	}
	return group.Wait()
}

// EachPartition does the work for every partition of every aggregate type.
func (r *Reader) EachPartition(ctx context.Context, do func(ctx context.Context, log *Log, spec *topology.AggregateSpec, partition int32) error) error {
	var all []Work
	for p := range int32(r.Config.Settings.Partitions) {
		for _, a := range r.Config.Topology.Aggregates {
			all = append(all, func(ctx context.Context, log *Log) error { return do(ctx, log, a, p) })
		}
	}
	return r.Each(ctx, all)
}

// The pauses between attempts.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// Patiently tries until it succeeds or patience ends.
func (r *Reader) Patiently(ctx context.Context, try func() error) error {
	deadline := time.Now().Add(r.Config.Patience)
	for range retry.Attempts(ctx, firstPause, lastPause) {
		err := try()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return err
		}
		r.Config.Logger.Warn("the brokers do not answer as they should, trying again", "error", err)
	}
	return ctx.Err()
}
