package verify

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/kit"
)

// verification is one run of [Run].
type verification struct {
	kit      *kit.Reader
	served   *Served
	found    *collector
	snapshot *snapshot
	letters  *kit.DeadLetters
	forwards *forwards

	mu      sync.Mutex
	routes  map[string][]*route // by projection and source partition
	carried map[string][][]mark // by projection, partition, and source partition
}

// Run reads the whole log once and reports its defects. The error is of the infrastructure; defects
// of the data are in the report. The system may be running; the package documentation says how it
// is compared then. If served is not nil, the answers of the running system are compared with the
// folds, too.
func Run(ctx context.Context, c kit.Config, served *Served) (report *Report, err error) {
	err = kit.With(c, func(r *kit.Reader) error {
		began := time.Now()
		v := &verification{
			kit: r, served: served, found: &collector{most: r.Config.MaxFindings}, forwards: &forwards{away: map[string]kit.Finding{}, here: map[string]bool{}},
			routes: map[string][]*route{}, carried: map[string][][]mark{},
		}
		if err := v.run(ctx); err != nil {
			return err
		}
		report = v.found.finish(time.Since(began))
		return nil
	})
	return report, err
}

func (v *verification) run(ctx context.Context) (err error) {
	if v.snapshot, err = takeSnapshot(ctx, v.kit); err != nil {
		return err
	}
	if v.letters, err = v.kit.ReadDeadLetters(ctx, v.snapshot.start, v.snapshot.end); err != nil {
		return err
	}
	var all []kit.Work
	for p := range int32(v.kit.Config.Settings.Partitions) {
		for _, a := range v.kit.Config.Topology.Aggregates {
			all = append(all, func(ctx context.Context, log *kit.Log) error { return v.checkPartition(ctx, log, a, p) })
		}
	}
	for _, spec := range v.kit.Config.Topology.Projections {
		if !spec.Rekeyed() {
			continue
		}
		v.carried[spec.ID()] = make([][]mark, v.kit.Config.Settings.Partitions)
		for p := range int32(v.kit.Config.Settings.Partitions) {
			all = append(all, func(ctx context.Context, log *kit.Log) error { return v.checkRekeyed(ctx, log, spec, p) })
		}
	}
	if err := v.kit.Each(ctx, all); err != nil {
		return err
	}
	v.forwards.report(v.found)
	if err := v.compareRoutes(ctx); err != nil {
		return err
	}
	return v.snapshot.stillThere(ctx, v.kit)
}

// forwards are commands that were sent on to their own partition, and those that arrived there. It
// is safe for concurrent use.
type forwards struct {
	mu   sync.Mutex
	away map[string]kit.Finding // what is wrong unless it arrived
	here map[string]bool
}

func forwardKey(part string, partition int32, offset int64) string {
	return fmt.Sprintf("%s/%d/%d", part, partition, offset)
}

// sent notes a command that must have been forwarded.
func (f *forwards) sent(command kit.Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away[forwardKey(command.Part, command.Partition, command.Offset)] = command
}

// arrived notes the copy of a forwarded command.
func (f *forwards) arrived(part string, r *record.Record) {
	if partition, offset, ok := kit.PlaceIn(r, codecs.HeaderOriginPartition, codecs.HeaderOriginOffset); ok {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.here[forwardKey(part, partition, offset)] = true
	}
}

func (f *forwards) report(found *collector) {
	for key, command := range f.away {
		if !f.here[key] {
			found.add(command.Says(kit.CheckCommand, "a copy in the partition of its key, since it was handled here", "none"))
		}
	}
}
