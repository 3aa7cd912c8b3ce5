package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/replay/backup/archive"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// ErrOtherLog is wrapped by errors about an archive that is not one of the log at hand, or a log
// that is not the one of an archive.
var ErrOtherLog = errors.New("archive and log do not belong together")

// Exported is the result of an export.
type Exported struct {
	// Events, Outcomes and Commands count the added records, Pending the commands that were not
	// handled at the cut.
	Events   int64 `json:"events"`
	Outcomes int64 `json:"outcomes"`
	Commands int64 `json:"commands"`
	Pending  int64 `json:"pending"`
	// Files and Bytes are those that were added; TotalEvents is how many events the archive has
	// now.
	Files       int64 `json:"files"`
	Bytes       int64 `json:"bytes"`
	TotalEvents int64 `json:"total_events"`
	// Missing names the parts of the log that were gone before they were exported.
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

// Export adds the records since the last export to the archive in a directory, or all if it is the
// first. These are the events, the outcomes and the unhandled commands, and the handled ones if
// commands is set. The system may be running. An interrupted export is continued by the next run.
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

// count counts files; those of earlier exports count only for the archive's totals.
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
		for p := range int32(config.Settings.Partitions) {
			for _, g := range x.growing(a, p) {
				x.kit.Total += g.left.Size()
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

// growing is a log of one partition, with its part in the archive and its part outside.
type growing struct {
	kind archive.Kind
	spec *topology.AggregateSpec
	last *archive.File // nil if there is none
	next int64         // offset after the last one that the archive has
	left kit.Span
	// values takes values apart, and about says whose one is and when it was recorded; nil for
	// commands, which are taken as they are.
	values codecs.Values
	about  func(ctx context.Context, value []byte) (aggregateID string, recorded time.Time, err error)
}

// growing returns the logs of a partition that an archive has more of from export to export.
func (x *exporting) growing(spec *topology.AggregateSpec, partition int32) []growing {
	codec, names := x.kit.Config.Codecs.Aggregate(spec.Name), x.kit.Names
	all := []growing{
		{kind: archive.Events, left: x.cut.span(names.Events(spec.Name), partition), values: codec.EventValues(),
			about: func(ctx context.Context, value []byte) (string, time.Time, error) {
				e, err := codec.DecodeEventEnvelope(ctx, value)
				return e.AggregateID, e.RecordedAt, err
			}},
		{kind: archive.Outcomes, left: x.cut.span(names.Outcomes(spec.Name), partition), values: codec.OutcomeValues(),
			about: func(ctx context.Context, value []byte) (string, time.Time, error) {
				o, err := codec.DecodeOutcome(ctx, value)
				return o.AggregateID, o.RecordedAt, err
			}},
	}
	if x.commands {
		handled := x.cut.span(names.Commands(spec.Name), partition)
		handled.To = min(handled.To, x.cut.handled[spec.Name][partition])
		all = append(all, growing{kind: archive.Commands, left: handled})
	}
	for i := range all {
		g := &all[i]
		g.spec = spec
		if files := x.archive.Of(g.kind, spec.Name, partition); len(files) > 0 {
			g.last = &files[len(files)-1]
			g.next = g.last.Last + 1
		}
		g.left.From = max(g.left.From, g.next)
	}
	return all
}

func (x *exporting) exportPartition(ctx context.Context, log *kit.Log, spec *topology.AggregateSpec, partition int32) error {
	ends := &x.ends[spec.Name][partition]
	ends.Commands = x.cut.handled[spec.Name][partition]
	for _, g := range x.growing(spec, partition) {
		if err := x.checkSame(ctx, log, &g); err != nil {
			return err
		}
		topic, start := g.left.Topic, x.cut.start[g.left.Topic][partition]
		switch {
		case start <= g.next:
		case g.kind == archive.Events:
			return fmt.Errorf("%w: %s/%d begins at offset %d, and the archive has the events before %d: events are kept for ever", kit.ErrDamaged, topic, partition, start, g.next)
		default:
			x.mu.Lock()
			x.missing = append(x.missing, fmt.Sprintf("%s/%d begins at offset %d, and the archive ends at %d: what is in between was removed by retention before it was exported",
				topic, partition, start, g.next))
			x.mu.Unlock()
		}
		stop, err := x.copy(ctx, log, &g)
		if err != nil {
			return err
		}
		switch g.kind {
		case archive.Events:
			x.stop[spec.Name][partition] = stop
			ends.Events = x.rangeOf(g.kind, spec.Name, partition, 0)
		case archive.Outcomes:
			ends.Outcomes = x.rangeOf(g.kind, spec.Name, partition, x.outcomesFrom(spec.Name, partition, g.next, start))
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

// rangeOf returns the archived range of a partition from an offset on.
func (x *exporting) rangeOf(kind archive.Kind, aggregate string, partition int32, from int64) archive.Range {
	r := archive.Range{From: from, To: from}
	for _, f := range x.archive.Of(kind, aggregate, partition) {
		if f.First >= from {
			r.To, r.Count = f.Last+1, r.Count+f.Count
		}
	}
	return r
}

// checkSame returns an error if the last record of a log in the archive is not the one in the log.
func (x *exporting) checkSame(ctx context.Context, log *kit.Log, g *growing) error {
	topic, p := g.left.Topic, g.left.Partition
	if g.last == nil || g.kind == archive.Commands || g.last.Last < x.cut.start[topic][p] {
		return nil
	}
	other := fmt.Errorf("%w: %s/%d/%d is not what the archive has: export to a directory of its own", ErrOtherLog, topic, p, g.last.Last)
	if g.last.Last >= x.cut.end[topic][p] {
		return other
	}
	r, err := log.Last(ctx, kit.Span{Topic: topic, Partition: p, From: g.last.Last, To: g.next})
	switch {
	case err != nil:
		return err
	case r == nil || r.Value == nil:
		return other
	}
	_, body, err := g.values.Split(ctx, r.Value)
	if cause, failure := kit.CauseOf(r); err == nil && failure == nil && cause.Offset >= x.cut.handled[g.spec.Name][p] {
		return fmt.Errorf("%w: the archive has what follows from the command %s, which group %s has not handled: its offsets were set back", ErrOtherLog, cause, x.kit.Names.Group(g.spec.Name))
	}
	if kit.Undecodable(err) || err == nil && archive.Sum(body) != g.last.LastSHA256 {
		return other
	}
	return err
}

// copy writes the rest of a log to the archive, up to the first record that follows from an
// unhandled command, and returns the place of that record.
func (x *exporting) copy(ctx context.Context, log *kit.Log, g *growing) (stop int64, err error) {
	p := g.left.Partition
	w := x.archive.Writer(g.kind, g.spec.Name, p, x.number)
	defer w.Abandon()
	for r, err := range log.Records(ctx, g.left) {
		if err != nil {
			return 0, err
		}
		if g.kind == archive.Commands {
			err = x.writeCommand(ctx, w, g.spec, r)
		} else {
			cause, failure := kit.CauseOf(r)
			if failure != nil || cause.Aggregate != g.spec.Name || cause.Partition != p {
				return 0, kit.NamesNoCommand(r)
			}
			if cause.Offset >= x.cut.handled[g.spec.Name][p] {
				return r.Offset, w.Close()
			}
			err = g.write(ctx, w, r)
		}
		if kit.Undecodable(err) {
			err = kit.Unreadable(r, err)
		}
		if err != nil {
			return 0, err
		}
	}
	return g.left.To, w.Close()
}
