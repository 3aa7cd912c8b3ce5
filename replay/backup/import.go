package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"golang.org/x/sync/errgroup"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/replay/backup/archive"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/replay/recovery"
	"github.com/foldlog/foldlog/topology"
)

// ErrNotImportable is wrapped by errors about an archive that does not fit the system that it is to
// be imported into.
var ErrNotImportable = errors.New("the archive does not fit this system")

// Imported is the result of an import.
type Imported struct {
	// TakenAt is when the archive's last export began.
	TakenAt time.Time `json:"taken_at"`
	// Events, Outcomes and Pending count the records in the log that come from the archive. Pending
	// are unhandled commands.
	Events   int64 `json:"events"`
	Outcomes int64 `json:"outcomes"`
	Pending  int64 `json:"pending"`
	// Found is how many of these records an import that was interrupted had written already.
	Found int64 `json:"found"`
	// Recovery is the result of the recovery from the events.
	Recovery *recovery.Result `json:"recovery"`
	// Took is how long all of it took, in nanoseconds in JSON.
	Took time.Duration `json:"took"`
}

// importing is one run of [Import].
type importing struct {
	kit     *kit.Reader
	archive *archive.Archive
	cut     *archive.Cut
	writer  *kit.Writer // nil while what is there is only compared
	// files are those of the cut, by kind, aggregate type and partition.
	files map[archive.Kind]map[string][][]archive.File
	start kit.Offsets // of the topics, when the import began
	there kit.Offsets // their ends
	mu    sync.Mutex
	done  Imported
	// answered has, by policy and partition, the place at which its group goes on.
	answered map[string][]int64
}

// Import fills the topics of commands, events and outcomes from the archive in a directory, and
// makes everything that follows from them, as [recovery.Run] does. There must be nothing in these
// topics, unless an import of the same archive left it that did not end: then it goes on. No
// processor may run meanwhile ([kit.ErrActive]), and none starts before it is done.
func Import(ctx context.Context, c kit.Config, dir string) (done *Imported, err error) {
	a, err := archive.Open(dir)
	if err != nil {
		return nil, err
	}
	err = kit.With(c, func(r *kit.Reader) error {
		began := time.Now()
		v := &importing{kit: r, archive: a, cut: a.Manifest().Cut}
		if err := v.run(ctx); err != nil {
			return err
		}
		done = &v.done
		done.TakenAt, done.Took = v.cut.TakenAt, time.Since(began)
		return nil
	})
	return done, err
}

func (v *importing) run(ctx context.Context) error {
	if err := v.checkFits(); err != nil {
		return err
	}
	if err := v.plan(); err != nil {
		return err
	}
	if err := v.checkFiles(ctx); err != nil {
		return err
	}
	if err := v.kit.RefuseActive(ctx); err != nil {
		return err
	}
	begun, err := cluster.CreateForImport(ctx, v.kit.Config.Cluster, v.kit.Config.Topology, v.kit.Config.Settings)
	if err != nil {
		return err
	}
	if err := v.findEnds(ctx); err != nil {
		return err
	}
	if begun { // before anything is written, all that is there must be this archive's
		v.kit.Total *= 2
		if err := v.restoreAll(ctx, nil); err != nil {
			return err
		}
	}
	if err := cluster.BeginImport(ctx, v.kit.Config.Cluster, v.kit.Config.Topology, v.kit.Config.Settings); err != nil {
		return err
	}
	if err := v.restoreAll(ctx, v.kit.Writer()); err != nil {
		return err
	}
	if err := v.commit(ctx); err != nil {
		return err
	}
	if err := v.removeFillers(ctx); err != nil {
		return err
	}
	if err := cluster.FinishImport(ctx, v.kit.Config.Cluster, v.kit.Config.Topology, v.kit.Config.Settings); err != nil {
		return err
	}
	v.done.Recovery, err = recovery.On(ctx, v.kit)
	return err
}

// findEnds notes the first and last offsets of the topics.
func (v *importing) findEnds(ctx context.Context) (err error) {
	topics := v.kit.LogTopics()
	if v.start, err = v.kit.Starts(ctx, topics...); err != nil {
		return err
	}
	v.there, err = v.kit.Ends(ctx, topics...)
	return err
}

// restoreAll writes the missing records. Without a writer it compares the existing ones.
func (v *importing) restoreAll(ctx context.Context, w *kit.Writer) error {
	v.writer, v.done, v.answered = w, Imported{}, map[string][]int64{}
	return v.kit.EachPartition(ctx, func(ctx context.Context, log *kit.Log, spec *topology.AggregateSpec, p int32) error {
		if v.cut.Aggregates[spec.Name] == nil { // it is new since
			return nil
		}
		return v.restore(ctx, log, spec, p)
	})
}

// checkFits compares the archive with the topology and the settings.
func (v *importing) checkFits() error {
	m, all := v.archive.Manifest(), []string{}
	if m.System != v.kit.Config.Topology.Name {
		all = append(all, fmt.Sprintf("it is of system %s, this is %s", m.System, v.kit.Config.Topology.Name))
	}
	if have := v.kit.Config.Settings.Partitions; m.Partitions != have {
		all = append(all, fmt.Sprintf("it has %d partitions, and keys would move away from their state with %d: set --partitions %d", m.Partitions, have, m.Partitions))
	}
	for aggregate := range v.cut.Aggregates {
		if v.kit.Config.Topology.Aggregate(aggregate) == nil {
			all = append(all, fmt.Sprintf("it has aggregates of type %s, which the topology does not declare", aggregate))
		}
	}
	if len(all) > 0 {
		return fmt.Errorf("%w: %s", ErrNotImportable, strings.Join(all, "; "))
	}
	return nil
}

// plan finds the files of the cut, and says how much there is to do: each record is checked and
// written, and of the events tables are made.
func (v *importing) plan() error {
	m := v.archive.Manifest()
	v.files = map[archive.Kind]map[string][][]archive.File{archive.Events: {}, archive.Outcomes: {}, archive.Pending: {}}
	for aggregate, all := range v.cut.Aggregates {
		for p, ends := range all {
			events, err := m.Within(archive.Events, aggregate, int32(p), ends.Events)
			if err != nil {
				return err
			}
			outcomes, err := m.Within(archive.Outcomes, aggregate, int32(p), ends.Outcomes)
			if err != nil {
				return err
			}
			pending, err := m.PendingOf(aggregate, int32(p))
			if err != nil {
				return err
			}
			if err := v.checkAge(pending); err != nil {
				return err
			}
			for kind, files := range map[archive.Kind][]archive.File{archive.Events: events, archive.Outcomes: v.kept(outcomes), archive.Pending: pending} {
				v.files[kind][aggregate] = append(v.files[kind][aggregate], files)
			}
			times := int64(2 + len(kit.Followers(v.kit.Config.Topology, aggregate, true)))
			v.kit.Total += times*ends.Events.Count + ends.Commands
			for _, list := range [][]archive.File{events, outcomes, pending} {
				for _, f := range list {
					v.kit.Total += 2 * f.Count
				}
			}
		}
	}
	return nil
}

// kept leaves out the outcomes that retention would remove at once. The time of the cut decides, so
// that a continued import decides as before.
func (v *importing) kept(files []archive.File) []archive.File {
	oldest := v.cut.TakenAt.Add(-v.kit.Config.Settings.OutcomeRetention)
	for len(files) > 0 && files[0].LastTime.Before(oldest) {
		files = files[1:]
	}
	return files
}

// checkAge refuses commands that were not handled and that retention would remove before they are.
func (v *importing) checkAge(pending []archive.File) error {
	for _, f := range pending {
		if age := time.Since(f.FirstTime); age > v.kit.Config.Settings.CommandRetention-24*time.Hour {
			return fmt.Errorf("%w: %s has commands from %s that are yet to be handled, and the topic would drop them before: set --command-retention to %dd, "+
				"and it and the topics back when they are handled", ErrNotImportable, f.Path, f.FirstTime.Format(time.RFC3339), int(age.Hours()/24)+7)
		}
	}
	return nil
}

// checkFiles compares every file with its entry in the manifest, also files that are there only for
// auditing.
func (v *importing) checkFiles(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(v.kit.Config.Workers)
	for _, f := range v.archive.Manifest().Files {
		group.Go(func() error {
			err := v.archive.Check(ctx, f)
			v.kit.Progress(f.Count)
			return err
		})
	}
	return group.Wait()
}

// commit gives the groups of aggregates and policies their offsets.
func (v *importing) commit(ctx context.Context) error {
	offsets := map[string]kadm.Offsets{}
	for aggregate, all := range v.cut.Aggregates {
		handled := make([]int64, len(all))
		for p, ends := range all {
			handled[p] = ends.Commands
		}
		offsets[v.kit.Names.Group(aggregate)] = kit.OffsetsAt(v.kit.Names.Commands(aggregate), handled)
	}
	for _, spec := range v.kit.Config.Topology.Policies {
		offsets[v.kit.Names.Group(spec.Name)] = kit.OffsetsAt(v.kit.Names.Events(spec.Source), v.answered[spec.Name])
	}
	return v.kit.Commit(ctx, offsets)
}

// removeFillers removes the fillers before the first record of a log whose beginning was not
// restored.
func (v *importing) removeFillers(ctx context.Context) error {
	if err := v.findEnds(ctx); err != nil {
		return err
	}
	var before kadm.Offsets
	remove := func(topic string, partition int, to int64) {
		if to > v.start[topic][partition] {
			before.AddOffset(topic, int32(partition), to, -1)
		}
	}
	for aggregate, all := range v.cut.Aggregates {
		for p, ends := range all {
			remove(v.kit.Names.Commands(aggregate), p, ends.Commands)
			remove(v.kit.Names.Outcomes(aggregate), p, v.outcomesBase(aggregate, int32(p)))
		}
	}
	if len(before) == 0 {
		return nil
	}
	deleted, err := v.kit.Admin.DeleteRecords(ctx, before)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		return fmt.Errorf("remove what stands before the restored commands and outcomes: %w", err)
	}
	return nil
}

// outcomesBase returns the offset of the first restored outcome: 1 if earlier ones were left
// out, which the log then says by beginning there.
func (v *importing) outcomesBase(aggregate string, partition int32) int64 {
	r := v.cut.Aggregates[aggregate][partition].Outcomes
	files, count := v.files[archive.Outcomes][aggregate][partition], int64(0)
	for _, f := range files {
		count += f.Count
	}
	if r.From == 0 && count == r.Count {
		return 0
	}
	return 1
}
