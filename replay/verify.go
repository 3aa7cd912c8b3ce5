package replay

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/views"
)

// verification is one run of [Verify].
type verification struct {
	*reading
	*collector
	cut *cut
	// letters counts dead letters of commands: by topic, partition and offset of the command.
	letters  map[string][]map[int64]int
	forwards *forwards

	mu      sync.Mutex
	routes  map[string][]*route // by projection and source partition
	carried map[string][][]mark // by projection, partition, and source partition
}

// Verify reads the whole log once and says what of it is not as it must be. The error is of the infrastructure; what is wrong with the data is in
// the report. The system may be running; see the package documentation for what is compared then.
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
		reading: r, collector: &collector{most: r.config.MaxFindings}, letters: map[string][]map[int64]int{}, forwards: newForwards(),
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
	if err := v.readLetters(ctx); err != nil {
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
		v.carried[spec.Name] = make([][]mark, v.config.Settings.Partitions)
		for p := range int32(v.config.Settings.Partitions) {
			all = append(all, v.newRekeyed(spec, p).run)
		}
	}
	if err := v.each(ctx, all); err != nil {
		return err
	}
	v.forwards.report(v.collector)
	return v.compareRoutes(ctx)
}

// readLetters reads which commands were set aside.
func (v *verification) readLetters(ctx context.Context) error {
	var all []work
	for _, a := range v.config.Topology.Aggregates {
		commands := v.names.Commands(a.Name)
		v.letters[commands] = make([]map[int64]int, v.config.Settings.Partitions)
		for p := range v.letters[commands] {
			v.letters[commands][p] = map[int64]int{}
		}
		for p := range int32(v.config.Settings.Partitions) {
			s := v.cut.span(v.names.DeadLetters(v.names.Group(a.Name)), p)
			if s.size() == 0 {
				continue
			}
			all = append(all, func(ctx context.Context, log *views.Log) error { return v.readLettersOf(ctx, log, s, commands) })
		}
	}
	return v.each(ctx, all)
}

func (v *verification) readLettersOf(ctx context.Context, log *views.Log, s span, commands string) error {
	letters := v.open(ctx, log, s)
	defer letters.close()
	for r := letters.peek(); r != nil; r = letters.peek() {
		partition, offset, ok := placeOf(r, codecs.HeaderDeadLetterPartition, codecs.HeaderDeadLetterOffset)
		if ok && int(partition) < len(v.letters[commands]) {
			v.mu.Lock()
			v.letters[commands][partition][offset]++
			v.mu.Unlock()
		}
		letters.pop()
	}
	return letters.err
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

// forwards are commands that were sent on to their own partition, and those that arrived there. It is safe for concurrent use.
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
