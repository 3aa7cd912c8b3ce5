package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/topology"
)

// reading is one run over a system's log.
type reading struct {
	config Config
	names  topology.Names
	client *kgo.Client
	admin  *kadm.Client
	temp   string
	total  int64        // offsets to read
	works  atomic.Int64 // numbers the pieces of work, for their directories
}

// begin checks the configuration and connects. The caller calls end.
func begin(c Config) (*reading, error) {
	c.EnsureDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return connect(c)
}

// connect is begin for a configuration that is complete.
func connect(c Config) (*reading, error) {
	opts, err := c.Cluster.Franz()
	if err != nil {
		return nil, err
	}
	r := &reading{config: c, names: c.Settings.Names()}
	if r.client, err = kgo.NewClient(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))...); err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	r.admin = kadm.NewClient(r.client)
	if r.temp, err = os.MkdirTemp(c.TempDir, "foldlog-replay-"); err != nil {
		r.client.Close()
		return nil, fmt.Errorf("directory for what does not fit into memory: %w", err)
	}
	return r, nil
}

func (r *reading) end() error {
	r.client.Close()
	if err := os.RemoveAll(r.temp); err != nil {
		return fmt.Errorf("remove what did not fit into memory: %w", err)
	}
	return nil
}

// read counts offsets that were read. What is looked up before it is known how much there is to
// read does not count.
func (r *reading) read(n int64) {
	if r.total > 0 {
		r.config.Progress(n, r.total)
	}
}

// budget returns the share of one piece of work.
func (r *reading) budget() *budget {
	return &budget{limit: r.config.Memory / int64(r.config.Workers), dir: filepath.Join(r.temp, strconv.FormatInt(r.works.Add(1), 10))}
}

// work is a piece of work that reads partitions with connections of its own.
type work func(ctx context.Context, log *kafkalog.Log) error

// each does all the work, as much of it at a time as there are workers. The first error ends all.
func (r *reading) each(ctx context.Context, all []work) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.config.Workers)
	for _, do := range all {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			log, err := kafkalog.Open(r.config.Cluster)
			if err != nil {
				return err
			}
			defer log.Close()
			return do(ctx, log)
		})
	}
	return group.Wait()
}

// places are offsets by topic and partition.
type places map[string][]int64

// lister is one of kadm's functions that list offsets.
type lister func(context.Context, ...string) (kadm.ListedOffsets, error)

// offsets asks for one offset of each partition of the topics.
func (r *reading) offsets(ctx context.Context, list lister, topics []string) (places, error) {
	all := places{}
	if len(topics) == 0 {
		return all, nil
	}
	err := r.patiently(ctx, func() error {
		listed, err := list(ctx, topics...)
		if err == nil {
			err = listed.Error()
		}
		if err != nil {
			return fmt.Errorf("find where the topics begin and end: %w", err)
		}
		for _, topic := range topics {
			all[topic] = make([]int64, r.config.Settings.Partitions)
			for p := range all[topic] {
				o, ok := listed.Lookup(topic, int32(p))
				if !ok {
					return fmt.Errorf("find where %s/%d begins and ends: no answer", topic, p)
				}
				all[topic][p] = o.Offset
			}
		}
		return nil
	})
	return all, err
}

// committed returns a group's offsets in a topic, -1 where there is none. Pending ones are waited
// for, each partition's for itself: under traffic there is hardly a moment without a transaction
// somewhere in the group.
func (r *reading) committed(ctx context.Context, group, topic string) ([]int64, error) {
	all := make([]int64, r.config.Settings.Partitions)
	known := make([]bool, len(all))
	for deadline := time.Now().Add(r.config.Patience); ; {
		pending := -1
		err := r.patiently(ctx, func() error {
			fetched, err := r.admin.FetchOffsetsForTopics(kadm.RequireStable(ctx), group, topic)
			if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
				return fmt.Errorf("read the offsets of group %s: %w", group, err)
			}
			pending = -1
			for p := range all {
				o, ok := fetched.Lookup(topic, int32(p))
				switch {
				case known[p]:
				case ok && errors.Is(o.Err, kerr.UnstableOffsetCommit):
					pending = p
				case ok && o.Err != nil:
					return fmt.Errorf("read the offset of group %s in %s/%d: %w", group, topic, p, o.Err)
				case ok:
					all[p], known[p] = o.At, true
				default:
					all[p], known[p] = -1, true
				}
			}
			return nil
		})
		if err != nil || pending < 0 {
			return all, err
		}
		if time.Now().After(deadline) {
			return all, fmt.Errorf("a transaction has held the offset of group %s in %s/%d for %s; find it with kafka-transactions.sh find-hanging and abort it",
				group, topic, pending, r.config.Patience)
		}
		if err := pause(ctx, pendingPause); err != nil {
			return all, err
		}
	}
}

// pendingPause is between two looks at what an open transaction holds: most are over in some
// milliseconds.
const pendingPause = 10 * time.Millisecond

// awaitDecided returns when no transaction is open below the ends.
func (r *reading) awaitDecided(ctx context.Context, ends places) error {
	topics := make([]string, 0, len(ends))
	for topic := range ends {
		topics = append(topics, topic)
	}
	for deadline := time.Now().Add(r.config.Patience); ; {
		stable, err := r.offsets(ctx, r.admin.ListCommittedOffsets, topics)
		if err != nil {
			return err
		}
		open := ""
		for topic, list := range ends {
			for p, end := range list {
				if stable[topic][p] < end {
					open = fmt.Sprintf("%s/%d at offset %d", topic, p, stable[topic][p])
				}
			}
		}
		if open == "" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("a transaction on %s has been open for %s; find it with kafka-transactions.sh find-hanging and abort it", open, r.config.Patience)
		}
		if err := pause(ctx, pendingPause); err != nil {
			return err
		}
	}
}

// patiently tries until it succeeds or patience ends.
func (r *reading) patiently(ctx context.Context, try func() error) error {
	deadline := time.Now().Add(r.config.Patience)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return err
		}
		r.config.Logger.Warn("the brokers do not answer as they should, trying again", "error", err)
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// checkTopics returns an error that wraps cluster.ErrMismatch where topics are missing or have
// another partition count.
func (r *reading) checkTopics(ctx context.Context, topics []string) error {
	listed, err := r.admin.ListTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	var all []topology.Mismatch
	for _, topic := range topics {
		detail := listed[topic]
		switch have := len(detail.Partitions); {
		case have == 0:
			all = append(all, topology.Mismatch{Topic: topic, Setting: "exists", Want: "yes", Have: "no"})
		case have != r.config.Settings.Partitions:
			all = append(all, topology.Mismatch{Topic: topic, Setting: "partitions", Want: strconv.Itoa(r.config.Settings.Partitions), Have: strconv.Itoa(have)})
		}
	}
	return cluster.MismatchError(all)
}
