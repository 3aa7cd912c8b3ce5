package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/backup/archive"
	"github.com/foldlog/foldlog/replay/kit"
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
	kit      *kit.Reader
	archive  *archive.Archive
	commands bool
	cut      *consistentCut
	number   int
	// stop is, by aggregate type and partition, the offset of the first event that follows from a
	// command that was not handled.
	stop    map[string][]int64
	ends    map[string][]archive.Ends
	mu      sync.Mutex
	missing []string
	// again are the commands that a policy sends again if the archive is restored: policy, zero
	// byte, id of the event.
	again map[string]bool
}

// Export adds to the archive in a directory what was written since the export before, or all if
// there is none: events, outcomes, the commands that were not handled yet, and if commands is set
// those that were. The system may be running. After an interruption it is run again and goes on.
func Export(ctx context.Context, c kit.Config, dir string, commands bool) (done *Exported, err error) {
	err = kit.With(c, func(r *kit.Reader) (err error) {
		began := time.Now()
		a, err := archive.Create(dir, r.Config.Topology.Name, r.Config.Settings.Partitions)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, a.Close()) }()
		x := &exporting{kit: r, archive: a, commands: commands, stop: map[string][]int64{}, ends: map[string][]archive.Ends{}, again: map[string]bool{}}
		before := map[string]bool{}
		for _, f := range a.Manifest().Files {
			before[f.Path] = true
		}
		if err := x.run(ctx, began); err != nil {
			return err
		}
		done = &Exported{Missing: x.missing, Took: time.Since(began)}
		done.count(a.Manifest().Files, before)
		return nil
	})
	return done, err
}

// count counts files; those that were there before only as what the archive has.
func (e *Exported) count(files []archive.File, before map[string]bool) {
	added := map[archive.Kind]*int64{archive.Events: &e.Events, archive.Outcomes: &e.Outcomes, archive.Commands: &e.Commands, archive.Pending: &e.Pending}
	for _, f := range files {
		if f.Kind == archive.Events {
			e.TotalEvents += f.Count
		}
		if !before[f.Path] {
			e.Files, e.Bytes = e.Files+1, e.Bytes+f.Bytes
			*added[f.Kind] += f.Count
		}
	}
}

func (x *exporting) run(ctx context.Context, now time.Time) error {
	if before := x.archive.Manifest().Cut; before != nil {
		x.number = before.Number
	}
	x.number++
	if err := x.takeCut(ctx); err != nil {
		return err
	}
	config := &x.kit.Config
	for _, a := range config.Topology.Aggregates {
		x.stop[a.Name] = make([]int64, config.Settings.Partitions)
		x.ends[a.Name] = make([]archive.Ends, config.Settings.Partitions)
		for _, kind := range x.kinds() {
			for p := range int32(config.Settings.Partitions) {
				x.kit.Total += x.left(kind, a.Name, p).Size()
			}
		}
	}
	if err := x.kit.EachPartition(ctx, x.exportPartition); err != nil {
		return err
	}
	if err := x.findAgain(ctx); err != nil {
		return err
	}
	if err := x.kit.EachPartition(ctx, x.exportPending); err != nil {
		return err
	}
	slices.Sort(x.missing)
	cut := &archive.Cut{Number: x.number, TakenAt: now.UTC().Truncate(time.Second), Aggregates: x.ends, Policies: map[string]archive.Answered{}}
	for _, p := range config.Topology.Policies {
		answered := archive.Answered{Source: p.Source, Offsets: make([]int64, config.Settings.Partitions)}
		for partition, at := range x.cut.answered[p.Name] {
			answered.Offsets[partition] = min(at, x.stop[p.Source][partition])
		}
		cut.Policies[p.Name] = answered
	}
	return x.archive.Finish(cut)
}

// left returns what the archive does not have yet of a partition.
func (x *exporting) left(kind archive.Kind, aggregate string, partition int32) kit.Span {
	s := x.cut.span(x.topicOf(kind, aggregate), partition)
	s.From = max(s.From, x.nextOf(kind, aggregate, partition))
	return s
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
		return x.kit.Names.Events(aggregate)
	case archive.Outcomes:
		return x.kit.Names.Outcomes(aggregate)
	}
	return x.kit.Names.Commands(aggregate)
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

func (x *exporting) exportPartition(ctx context.Context, log *kit.Log, spec *topology.AggregateSpec, partition int32) error {
	ends := &x.ends[spec.Name][partition]
	ends.Commands = x.cut.handled[spec.Name][partition]
	for _, kind := range x.kinds() {
		topic := x.topicOf(kind, spec.Name)
		if err := x.checkSame(ctx, log, kind, spec, partition); err != nil {
			return err
		}
		next, start := x.nextOf(kind, spec.Name, partition), x.cut.start[topic][partition]
		s := x.left(kind, spec.Name, partition)
		write := x.writeEvent
		switch kind {
		case archive.Outcomes:
			write = x.writeOutcome
		case archive.Commands:
			write, s.To = x.writeCommand, min(s.To, ends.Commands)
		}
		switch {
		case start <= next:
		case kind == archive.Events:
			return fmt.Errorf("%w: %s/%d begins at offset %d, and the archive has the events before %d: events are kept for ever", kit.ErrDamaged, topic, partition, start, next)
		default:
			x.mu.Lock()
			x.missing = append(x.missing, fmt.Sprintf("%s/%d begins at offset %d, and the archive ends at %d: what is in between was removed by retention before it was exported",
				topic, partition, start, next))
			x.mu.Unlock()
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
func (x *exporting) checkSame(ctx context.Context, log *kit.Log, kind archive.Kind, spec *topology.AggregateSpec, partition int32) error {
	f, topic := x.lastOf(kind, spec.Name, partition), x.topicOf(kind, spec.Name)
	if f == nil || kind == archive.Commands || f.Last < x.cut.start[topic][partition] {
		return nil
	}
	other := fmt.Errorf("%w: %s/%d/%d is not what the archive has: export to a directory of its own", ErrOtherLog, topic, partition, f.Last)
	if f.Last >= x.cut.end[topic][partition] {
		return other
	}
	r, err := log.Last(ctx, kit.Span{Topic: topic, Partition: partition, From: f.Last, To: f.Last + 1})
	switch {
	case err != nil:
		return err
	case r == nil || r.Value == nil:
		return other
	}
	_, body, err := valuesOf(x.kit.Config.Codecs.Aggregate(spec.Name), kind).Split(ctx, r.Value)
	if cause, failure := kit.CauseOf(r); err == nil && failure == nil && cause.Offset >= x.cut.handled[spec.Name][partition] {
		return fmt.Errorf("%w: the archive has what follows from the command %s, which group %s has not handled: its offsets were set back", ErrOtherLog, cause, x.kit.Names.Group(spec.Name))
	}
	if kit.Undecodable(err) || err == nil && archive.Sum(body) != f.LastSHA256 {
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
func (x *exporting) copyTo(ctx context.Context, log *kit.Log, s kit.Span, kind archive.Kind, spec *topology.AggregateSpec,
	write func(context.Context, *archive.Writer, *codecs.Aggregate, *record.Record) error) (stop int64, err error) {
	w := x.archive.Writer(kind, spec.Name, s.Partition, x.number)
	defer w.Abandon()
	codec, handled := x.kit.Config.Codecs.Aggregate(spec.Name), x.cut.handled[spec.Name][s.Partition]
	for r, err := range log.Records(ctx, s) {
		if err != nil {
			return 0, err
		}
		if kind != archive.Commands {
			cause, err := kit.CauseOf(r)
			if err != nil || cause.Aggregate != spec.Name || cause.Partition != s.Partition {
				return 0, kit.NamesNoCommand(r)
			}
			if cause.Offset >= handled {
				return r.Offset, w.Close()
			}
		}
		if err := write(ctx, w, codec, r); err != nil {
			if kit.Undecodable(err) {
				err = kit.Unreadable(r, err)
			}
			return 0, err
		}
	}
	return s.To, w.Close()
}
