package kit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/topology"
)

// Offsets has one offset for each partition of some topics.
type Offsets map[string][]int64

// Span returns the span from these offsets up to some ends.
func (o Offsets) Span(topic string, partition int32, ends Offsets) Span {
	return Span{topic, partition, o[topic][partition], ends[topic][partition]}
}

// Starts returns the first offsets of the topics.
func (r *Reader) Starts(ctx context.Context, topics ...string) (Offsets, error) {
	return r.list(ctx, r.Admin.ListStartOffsets, topics)
}

// Ends returns the ends of the topics. There may be open transactions before them.
func (r *Reader) Ends(ctx context.Context, topics ...string) (Offsets, error) {
	return r.list(ctx, r.Admin.ListEndOffsets, topics)
}

// StableEnds returns the ends of the topics' decided parts: up to the first open transaction.
func (r *Reader) StableEnds(ctx context.Context, topics ...string) (Offsets, error) {
	return r.list(ctx, r.Admin.ListCommittedOffsets, topics)
}

func (r *Reader) list(ctx context.Context, list kafkalog.Lister, topics []string) (all Offsets, err error) {
	err = r.Patiently(ctx, func() (err error) {
		if all, err = kafkalog.Offsets(ctx, list, r.Config.Settings.Partitions, topics...); err != nil {
			return fmt.Errorf("find where the topics begin and end: %w", err)
		}
		return nil
	})
	return all, err
}

// Committed returns a group's offsets in a topic, -1 for none. Pending ones are waited for, each
// partition's for itself: under traffic there is hardly a moment without a transaction somewhere in
// the group.
func (r *Reader) Committed(ctx context.Context, group, topic string) ([]int64, error) {
	all := make([]int64, r.Config.Settings.Partitions)
	known := make([]bool, len(all))
	err := r.awaitTransactions(ctx, func() (open string, err error) {
		err = r.Patiently(ctx, func() error {
			fetched, err := r.Admin.FetchOffsetsForTopics(kadm.RequireStable(ctx), group, topic)
			if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
				return fmt.Errorf("read the offsets of group %s: %w", group, err)
			}
			open = ""
			for p := range all {
				o, ok := fetched.Lookup(topic, int32(p))
				switch {
				case known[p]:
				case ok && errors.Is(o.Err, kerr.UnstableOffsetCommit):
					open = fmt.Sprintf("has held the offset of group %s in %s/%d", group, topic, p)
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
		return open, err
	})
	return all, err
}

// CommittedNow returns a group's offsets as they are committed now, 0 for none.
func (r *Reader) CommittedNow(ctx context.Context, group, topic string) (all []int64, err error) {
	err = r.Patiently(ctx, func() error {
		all = make([]int64, r.Config.Settings.Partitions)
		fetched, err := r.Admin.FetchOffsetsForTopics(ctx, group, topic)
		if err == nil {
			err = fetched.Error()
		}
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return fmt.Errorf("read the offsets of group %s: %w", group, err)
		}
		for p := range all {
			if o, ok := fetched.Lookup(topic, int32(p)); ok {
				all[p] = max(o.At, 0)
			}
		}
		return nil
	})
	return all, err
}

// AwaitDecided returns when no transaction is open below the ends.
func (r *Reader) AwaitDecided(ctx context.Context, ends Offsets) error {
	topics := slices.Collect(maps.Keys(ends))
	return r.awaitTransactions(ctx, func() (open string, err error) {
		stable, err := r.StableEnds(ctx, topics...)
		if err != nil {
			return "", err
		}
		for topic, list := range ends {
			for p, end := range list {
				if stable[topic][p] < end {
					open = fmt.Sprintf("on %s/%d at offset %d has been open", topic, p, stable[topic][p])
				}
			}
		}
		return open, nil
	})
}

// openPause is the pause between two looks at an open transaction: most end after some
// milliseconds.
const openPause = 10 * time.Millisecond

// awaitTransactions looks until look finds no open transaction. look returns a description of the
// one it found.
func (r *Reader) awaitTransactions(ctx context.Context, look func() (open string, err error)) error {
	deadline := time.Now().Add(r.Config.Patience)
	for range retry.Attempts(ctx, openPause, openPause) {
		open, err := look()
		if err != nil || open == "" {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("a transaction %s for %s; find it with kafka-transactions.sh find-hanging and abort it", open, r.Config.Patience)
		}
	}
	return ctx.Err()
}

// Commit gives groups their offsets. A group without any keeps those that it has.
func (r *Reader) Commit(ctx context.Context, offsets map[string]kadm.Offsets) error {
	for _, group := range slices.Sorted(maps.Keys(offsets)) {
		if len(offsets[group]) == 0 {
			continue
		}
		if err := r.Admin.CommitAllOffsets(ctx, group, offsets[group]); err != nil {
			return fmt.Errorf("commit the offsets of group %s: %w", group, err)
		}
	}
	return nil
}

// OffsetsAt returns offsets to commit for the partitions of a topic; those below 0 are left out.
func OffsetsAt(topic string, all []int64) kadm.Offsets {
	var offsets kadm.Offsets
	for p, at := range all {
		if at >= 0 {
			offsets.AddOffset(topic, int32(p), at, -1)
		}
	}
	return offsets
}

// CheckTopics returns an error that wraps cluster.ErrMismatch if topics are missing or have another
// partition count.
func (r *Reader) CheckTopics(ctx context.Context, topics []string) error {
	listed, err := r.Admin.ListTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	var all []topology.Mismatch
	for _, topic := range topics {
		detail := listed[topic]
		switch have := len(detail.Partitions); {
		case have == 0:
			all = append(all, topology.Mismatch{Topic: topic, Setting: "exists", Want: "yes", Have: "no"})
		case have != r.Config.Settings.Partitions:
			all = append(all, topology.Mismatch{Topic: topic, Setting: "partitions", Want: strconv.Itoa(r.Config.Settings.Partitions), Have: strconv.Itoa(have)})
		}
	}
	return cluster.MismatchError(all)
}
