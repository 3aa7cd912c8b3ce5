package replay

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
)

// verification is one run of [Verify].
type verification struct {
	*reading
	*collector
	cut      *cut
	letters  *letters
	forwards *forwards

	mu      sync.Mutex
	routes  map[string][]*route // by projection and source partition
	carried map[string][][]mark // by projection, partition, and source partition
}

// Verify reads the whole log once and says what of it is not as it must be. The error is of the
// infrastructure; what is wrong with the data is in the report. The system may be running; see the
// package documentation for what is compared then.
func Verify(ctx context.Context, c Config) (report *Report, err error) {
	r, err := begin(c)
	if err != nil {
		return nil, err
	}
	defer func() {
		if failure := r.end(); err == nil {
			err = failure
		}
	}()
	began := time.Now()
	v := &verification{
		reading: r, collector: &collector{most: r.config.MaxFindings}, forwards: newForwards(),
		routes: map[string][]*route{}, carried: map[string][][]mark{},
	}
	if err := v.run(ctx); err != nil {
		return nil, err
	}
	return v.finish(time.Since(began)), nil
}

func (v *verification) run(ctx context.Context) error {
	if err := v.takeCut(ctx); err != nil {
		return err
	}
	var err error
	if v.letters, err = v.readLetters(ctx, v.cut.span); err != nil {
		return err
	}
	var all []work
	for p := range int32(v.config.Settings.Partitions) {
		for _, a := range v.config.Topology.Aggregates {
			h := &history{verification: v, spec: a, partition: p}
			all = append(all, h.run)
		}
	}
	for _, spec := range v.config.Topology.Projections {
		if !spec.Rekeyed() {
			continue
		}
		v.carried[spec.ID()] = make([][]mark, v.config.Settings.Partitions)
		for p := range int32(v.config.Settings.Partitions) {
			all = append(all, v.newRekeyed(spec, p).run)
		}
	}
	if err := v.each(ctx, all); err != nil {
		return err
	}
	v.forwards.report(v.collector)
	if err := v.compareRoutes(ctx); err != nil {
		return err
	}
	return v.stillThere(ctx)
}

// placeOf reads a place from two headers.
func placeOf(r *record.Record, partitionHeader, offsetHeader string) (partition int32, offset int64, ok bool) {
	p, err := strconv.ParseInt(string(r.Header(partitionHeader)), 10, 32)
	if err != nil || p < 0 {
		return 0, 0, false
	}
	offset, err = strconv.ParseInt(string(r.Header(offsetHeader)), 10, 64)
	return int32(p), offset, err == nil
}

// forwards are commands that were sent on to their own partition, and those that arrived there. It
// is safe for concurrent use.
type forwards struct {
	mu   sync.Mutex
	away map[string]Finding // what is wrong unless it arrived
	here map[string]bool
}

func newForwards() *forwards { return &forwards{away: map[string]Finding{}, here: map[string]bool{}} }

func forwardKey(part string, partition int32, offset int64) string {
	return fmt.Sprintf("%s/%d/%d", part, partition, offset)
}

// sent notes a command that must have been forwarded.
func (f *forwards) sent(command Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away[forwardKey(command.Part, command.Partition, command.Offset)] = command
}

// arrived notes the copy of a forwarded command.
func (f *forwards) arrived(part string, r *record.Record) {
	if partition, offset, ok := placeOf(r, codecs.HeaderOriginPartition, codecs.HeaderOriginOffset); ok {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.here[forwardKey(part, partition, offset)] = true
	}
}

func (f *forwards) report(c *collector) {
	for key, command := range f.away {
		if !f.here[key] {
			command.Check = CheckCommand
			command.Want, command.Have = "a copy in the partition of its key, since it was handled here", "none"
			c.find(command)
		}
	}
}
