package views

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/foldlog/foldlog"
)

// follower is a replica of a topic that follows from the commands to one aggregate type, with its
// progress.
type follower struct {
	replica  *replica
	progress *progress
	source   string // the aggregate type
}

// await waits until each entry of the token is visible in the partitions that it concerns.
func (f *follower) await(ctx context.Context, token foldlog.Token, concerns func(foldlog.Position) []int32) error {
	if err := f.replica.check(); err != nil {
		return err
	}
	wanted := map[int32][]foldlog.Position{}
	for _, e := range token {
		if e.Aggregate != f.source {
			continue
		}
		if e.Partition < 0 || int(e.Partition) >= f.replica.partitions {
			return fmt.Errorf("%s: %w: %s names a partition that does not exist", f.replica.topic, ErrNotYetVisible, e)
		}
		for _, p := range concerns(e) {
			wanted[p] = append(wanted[p], e)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(wanted)) {
		err := f.progress.wait(ctx, p, wanted[p], f.replica.check)
		if ended := ctx.Err(); ended != nil && errors.Is(err, ended) {
			return fmt.Errorf("%s/%d: %w: waiting for %s: %w", f.replica.topic, p, ErrNotYetVisible, texts(wanted[p]), err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ownPosition returns the progress of each partition, if it follows only from the source partition
// of the same number.
func (f *follower) ownPosition() foldlog.Token {
	vector := map[int32]int64{}
	for q := range int32(f.replica.partitions) {
		if offset, ok := f.progress.reached(q, source{f.source, q}); ok {
			vector[q] = offset
		}
	}
	return f.token(vector)
}

func (f *follower) token(vector map[int32]int64) foldlog.Token {
	var token foldlog.Token
	for _, p := range slices.Sorted(maps.Keys(vector)) {
		token = append(token, foldlog.Position{Aggregate: f.source, Partition: p, Offset: vector[p]})
	}
	return token
}

func texts(positions []foldlog.Position) string {
	all := make([]string, len(positions))
	for i, p := range positions {
		all[i] = p.String()
	}
	return strings.Join(all, ", ")
}
