package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/foldlog/foldlog/archive"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/topology"
)

// ErrOtherLog is wrapped by errors about an archive that is not one of the log at hand, or a log
// that is not the one of an archive.
var ErrOtherLog = errors.New("archive and log do not belong together")

// Exported is what an export added to an archive.
type Exported struct {
	// Events, Outcomes and Commands count what was added, Pending the commands that were not
	// handled as of the cut.
	Events   int64 `json:"events"`
	Outcomes int64 `json:"outcomes"`
	Commands int64 `json:"commands"`
	Pending  int64 `json:"pending"`
	// Files and Bytes are those that were added; TotalEvents is how many events the archive has
	// now.
	Files       int64 `json:"files"`
	Bytes       int64 `json:"bytes"`
	TotalEvents int64 `json:"total_events"`
	// Missing says what of the log was gone before it was exported.
	Missing []string `json:"missing"`
	// Took is how long it took, in nanoseconds in JSON.
	Took time.Duration `json:"took"`
}

// exporting is one run of [Export].
type exporting struct {
	*reading
	archive  *archive.Archive
	commands bool
	cut      *standing
	number   int
	// stop is, by aggregate type and partition, the offset of the first event that follows from a
	// command that was not handled.
	stop    map[string][]int64
	ends    map[string][]archive.Ends
	missing *collector
	// again are the commands that a policy sends again where the archive is restored: policy, zero
	// byte, id of the event.
	again map[string]bool
}

// Export adds to the archive in a directory what was written since the export before, or all where
// there is none: events, outcomes, the commands that were not handled yet, and where that is wanted
// those that were. The system may be running. Where the export is interrupted, it is run again and
// goes on.
func Export(ctx context.Context, c Config, dir string, commands bool) (done *Exported, err error) {
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
	a, err := archive.Create(dir, r.config.Topology.Name, r.config.Settings.Partitions)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	x := &exporting{reading: r, archive: a, commands: commands, stop: map[string][]int64{}, ends: map[string][]archive.Ends{}, missing: &collector{},
		again: map[string]bool{}}
	before := map[string]bool{}
	for _, f := range a.Manifest().Files {
		before[f.Path] = true
	}
	if err := x.run(ctx, began); err != nil {
		return nil, err
	}
	done = &Exported{Missing: x.missing.finish(0).Unchecked, Took: time.Since(began)}
	for _, f := range a.Manifest().Files {
		if f.Kind == archive.Events {
			done.TotalEvents += f.Count
		}
		if before[f.Path] {
			continue
		}
		done.Files, done.Bytes = done.Files+1, done.Bytes+f.Bytes
		*map[archive.Kind]*int64{archive.Events: &done.Events, archive.Outcomes: &done.Outcomes, archive.Commands: &done.Commands, archive.Pending: &done.Pending}[f.Kind] += f.Count
	}
	return done, nil
}

func (x *exporting) run(ctx context.Context, now time.Time) error {
	if before := x.archive.Manifest().Cut; before != nil {
		x.number = before.Number
	}
	x.number++
	if err := x.takeCut(ctx); err != nil {
		return err
	}
	var all, pending []work
	for _, a := range x.config.Topology.Aggregates {
		x.stop[a.Name] = make([]int64, x.config.Settings.Partitions)
		x.ends[a.Name] = make([]archive.Ends, x.config.Settings.Partitions)
		for p := range int32(x.config.Settings.Partitions) {
			all = append(all, func(ctx context.Context, log *kafkalog.Log) error { return x.exportPartition(ctx, log, a, p) })
			pending = append(pending, func(ctx context.Context, log *kafkalog.Log) error { return x.exportPending(ctx, log, a, p) })
			for _, kind := range x.kinds() {
				topic := x.topicOf(kind, a.Name)
				x.total += span{topic, p, max(x.nextOf(kind, a.Name, p), x.cut.start[topic][p]), x.cut.end[topic][p]}.size()
			}
		}
	}
	if err := x.each(ctx, all); err != nil {
		return err
	}
	if err := x.findAgain(ctx); err != nil {
		return err
	}
	if err := x.each(ctx, pending); err != nil {
		return err
	}
	cut := &archive.Cut{Number: x.number, TakenAt: now.UTC().Truncate(time.Second), Aggregates: x.ends, Policies: map[string]archive.Answered{}}
	for _, p := range x.config.Topology.Policies {
		answered := archive.Answered{Source: p.Source, Offsets: make([]int64, x.config.Settings.Partitions)}
		for partition, at := range x.cut.answered[p.Name] {
			answered.Offsets[partition] = min(at, x.stop[p.Source][partition])
		}
		cut.Policies[p.Name] = answered
	}
	return x.archive.Finish(cut)
}

// kinds returns the kinds of files that grow from export to export.
func (x *exporting) kinds() []archive.Kind {
	all := []archive.Kind{archive.Events, archive.Outcomes}
	if x.commands {
		all = append(all, archive.Commands)
	}
	return all
}

func (x *exporting) topicOf(kind archive.Kind, aggregate string) string {
	switch kind {
	case archive.Events:
		return x.names.Events(aggregate)
	case archive.Outcomes:
		return x.names.Outcomes(aggregate)
	}
	return x.names.Commands(aggregate)
}

// nextOf returns the offset after the last one that the archive has.
func (x *exporting) nextOf(kind archive.Kind, aggregate string, partition int32) int64 {
	if f := x.lastOf(kind, aggregate, partition); f != nil {
		return f.Last + 1
	}
	return 0
}

func (x *exporting) lastOf(kind archive.Kind, aggregate string, partition int32) *archive.File {
	files := x.archive.Of(kind, aggregate, partition)
	if len(files) == 0 {
		return nil
	}
	return &files[len(files)-1]
}

func (x *exporting) exportPartition(ctx context.Context, log *kafkalog.Log, spec *topology.AggregateSpec, partition int32) error {
	ends := &x.ends[spec.Name][partition]
	ends.Commands = x.cut.handled[spec.Name][partition]
	for _, kind := range x.kinds() {
		topic := x.topicOf(kind, spec.Name)
		if err := x.checkSame(ctx, log, kind, spec, partition); err != nil {
			return err
		}
		next, start := x.nextOf(kind, spec.Name, partition), x.cut.start[topic][partition]
		s := span{topic, partition, max(next, start), x.cut.end[topic][partition]}
		write := x.writeEvent
		switch kind {
		case archive.Outcomes:
			write = x.writeOutcome
		case archive.Commands:
			write, s.to = x.writeCommand, min(s.to, ends.Commands)
		}
		switch {
		case start <= next:
		case kind == archive.Events:
			return fmt.Errorf("%w: %s/%d begins at offset %d, and the archive has the events before %d: events are kept for ever", ErrDamaged, topic, partition, start, next)
		default:
			x.missing.unchecked("%s/%d begins at offset %d, and the archive ends at %d: what is in between was removed by retention before it was exported", topic, partition, start, next)
		}
		stop, err := x.copyTo(ctx, log, s, kind, spec, write)
		if err != nil {
			return err
		}
		switch kind {
		case archive.Events:
			x.stop[spec.Name][partition] = stop
			ends.Events = x.rangeOf(kind, spec.Name, partition, 0)
		case archive.Outcomes:
			ends.Outcomes = x.rangeOf(kind, spec.Name, partition, x.outcomesFrom(spec.Name, partition, next, start))
		}
	}
	return nil
}

// outcomesFrom returns the offset from which on the archive has all outcomes of a partition.
func (x *exporting) outcomesFrom(aggregate string, partition int32, next, start int64) int64 {
	switch before := x.archive.Manifest().Cut; {
	case start > next:
		return start
	case before != nil && before.Aggregates[aggregate] != nil:
		return before.Aggregates[aggregate][partition].Outcomes.From
	case start > 0: // the archive has some from a first export that was interrupted
		return x.archive.Of(archive.Outcomes, aggregate, partition)[0].First
	}
	return 0
}

// rangeOf returns what the archive has of a partition from an offset on.
func (x *exporting) rangeOf(kind archive.Kind, aggregate string, partition int32, from int64) archive.Range {
	r := archive.Range{From: from, To: from}
	for _, f := range x.archive.Of(kind, aggregate, partition) {
		if f.First >= from {
			r.To, r.Count = f.Last+1, r.Count+f.Count
		}
	}
	return r
}

// checkSame returns an error where the last record of a partition in the archive is not the one in
// the log.
func (x *exporting) checkSame(ctx context.Context, log *kafkalog.Log, kind archive.Kind, spec *topology.AggregateSpec, partition int32) error {
	f, topic := x.lastOf(kind, spec.Name, partition), x.topicOf(kind, spec.Name)
	if f == nil || kind == archive.Commands || f.Last < x.cut.start[topic][partition] {
		return nil
	}
	other := fmt.Errorf("%w: %s/%d/%d is not what the archive has: export to a directory of its own", ErrOtherLog, topic, partition, f.Last)
	if f.Last >= x.cut.end[topic][partition] {
		return other
	}
	s := x.open(ctx, log, span{topic, partition, f.Last, f.Last + 1})
	defer s.close()
	r := s.peek()
	switch {
	case s.err != nil:
		return s.err
	case r == nil || r.Value == nil:
		return other
	}
	_, body, err := valuesOf(x.config.Codecs.Aggregate(spec.Name), kind).Split(ctx, r.Value)
	if cause, failure := s.position(); err == nil && failure == nil && cause.Offset >= x.cut.handled[spec.Name][partition] {
		return fmt.Errorf("%w: the archive has what follows from the command %s, which group %s has not handled: its offsets were set back", ErrOtherLog, cause, x.names.Group(spec.Name))
	}
	if undecodable := (*codecs.Undecodable)(nil); errors.As(err, &undecodable) || err == nil && archive.Sum(body) != f.LastSHA256 {
		return other
	}
	return err
}

func valuesOf(codec *codecs.Aggregate, kind archive.Kind) codecs.Values {
	switch kind {
	case archive.Events:
		return codec.EventValues()
	case archive.Outcomes:
		return codec.OutcomeValues()
	}
	return codec.CommandValues()
}

// copyTo writes the records of a span to the archive, up to the first one that follows from a
// command that was not handled, and returns where it stopped.
func (x *exporting) copyTo(ctx context.Context, log *kafkalog.Log, s span, kind archive.Kind, spec *topology.AggregateSpec,
	write func(context.Context, *archive.Writer, *codecs.Aggregate, *record.Record) error) (stop int64, err error) {
	w := x.archive.Writer(kind, spec.Name, s.partition, x.number)
	defer w.Abandon()
	codec, handled := x.config.Codecs.Aggregate(spec.Name), x.cut.handled[spec.Name][s.partition]
	st := x.open(ctx, log, s)
	defer st.close()
	for r := st.peek(); r != nil; r = st.peek() {
		if kind != archive.Commands {
			cause, err := st.position()
			if err != nil || cause.Aggregate != spec.Name || cause.Partition != s.partition {
				return 0, fmt.Errorf("%w: %s/%d/%d does not name its command", ErrDamaged, r.Topic, r.Partition, r.Offset)
			}
			if cause.Offset >= handled {
				return r.Offset, w.Close()
			}
		}
		if err := write(ctx, w, codec, r); err != nil {
			if undecodable := (*codecs.Undecodable)(nil); errors.As(err, &undecodable) {
				err = fmt.Errorf("%w: %s/%d/%d cannot be read: %w", ErrDamaged, r.Topic, r.Partition, r.Offset, err)
			}
			return 0, err
		}
		st.pop()
	}
	if st.err != nil {
		return 0, st.err
	}
	return s.to, w.Close()
}
