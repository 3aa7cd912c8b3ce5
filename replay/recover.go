package replay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/topology"
)

// ErrDamaged is wrapped by errors about events that cannot be what happened. Nothing was changed
// then.
var ErrDamaged = errors.New("the events are damaged, and nothing was changed: run 'foldlog verify' for all that is wrong")

// ErrUndecided is wrapped by errors about a log of commands from which it cannot be seen what was
// handled. Nothing was changed then.
var ErrUndecided = errors.New("it cannot be decided where commands go on")

// Recovery is what a recovery did.
type Recovery struct {
	// Topics were created anew.
	Topics []string `json:"topics"`
	// Offsets says which consumer groups go on where, and why, where they were without an offset or
	// had a wrong one. Those of projections are always set.
	Offsets []string `json:"offsets"`
	// Events, Aggregates, Rows and Rekeyed count what was read and written. Rows are those of all
	// tables.
	Events     int64 `json:"events"`
	Aggregates int64 `json:"aggregates"`
	Rows       int64 `json:"rows"`
	Rekeyed    int64 `json:"rekeyed"`
	// Took is how long it took, in nanoseconds in JSON.
	Took time.Duration `json:"took"`
}

// recovery is one run of [Recover].
type recovery struct {
	*reading
	writer *writer
	ends   places // of events and, later, of re-keyed topics
	mu     sync.Mutex
	done   Recovery
	// handled has the commands that were handled, by aggregate type and partition.
	handled map[string][]span
	// progress is, by aggregate type and partition, the last command whose events are complete; -1
	// where there is none.
	progress map[string][]int64
}

// Recover makes all tables and re-keyed topics anew from the events alone, and gives each consumer
// group the offset at which it goes on, where it has none. Commands, outcomes and events stay as
// they are. No processor may run meanwhile ([ErrActive]), and none starts before it is done. Where
// it is interrupted, it can be run again, from the beginning.
func Recover(ctx context.Context, c Config) (done *Recovery, err error) {
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
	v := newRecovery(r)
	if err := v.run(ctx); err != nil {
		return nil, err
	}
	v.done.Took = time.Since(began)
	return &v.done, nil
}

func newRecovery(r *reading) *recovery {
	return &recovery{reading: r, progress: map[string][]int64{}, handled: map[string][]span{}, ends: places{}}
}

func (v *recovery) run(ctx context.Context) error {
	var events, kept []string
	for _, a := range v.config.Topology.Aggregates {
		events = append(events, v.names.Events(a.Name))
		kept = append(kept, v.names.Commands(a.Name), v.names.Outcomes(a.Name))
		v.progress[a.Name] = make([]int64, v.config.Settings.Partitions)
	}
	if err := v.checkTopics(ctx, append(kept, events...)); err != nil {
		return err
	}
	if err := cluster.RefuseHalfImport(ctx, v.config.Cluster, v.config.Topology, v.config.Settings); err != nil {
		return err
	}
	if err := v.refuseActive(ctx); err != nil {
		return err
	}
	if err := v.takeEnds(ctx, v.admin.ListEndOffsets, events); err != nil {
		return err
	}
	offsets, err := v.planOffsets(ctx)
	if err != nil {
		return err
	}
	var derived []topology.Topic
	for _, t := range v.config.Topology.Topics(v.config.Settings) {
		if v.derived(t.Name) {
			derived = append(derived, t)
			v.done.Topics = append(v.done.Topics, t.Name)
		}
	}
	v.countTotal()
	if err := v.folds(ctx, false); err != nil { // before anything is deleted
		return err
	}
	if err := cluster.RecreateTopics(ctx, v.config.Cluster, derived); err != nil {
		return err
	}
	v.writer = newWriter(v.client)
	if err := v.folds(ctx, true); err != nil {
		return err
	}
	if err := v.rekey(ctx); err != nil {
		return err
	}
	if err := v.commit(ctx, offsets); err != nil {
		return err
	}
	// dead letters may be gone, too
	if err := cluster.CreateMissing(ctx, v.config.Cluster, v.config.Topology, v.config.Settings); err != nil {
		return err
	}
	if err := v.restoreLetters(ctx); err != nil {
		return err
	}
	if err := cluster.FinishTopics(ctx, v.config.Cluster, derived); err != nil {
		return err
	}
	mismatches, err := cluster.VerifyTopics(ctx, v.config.Cluster, v.config.Topology, v.config.Settings)
	if err != nil {
		return err
	}
	return cluster.MismatchError(mismatches)
}

// derived reports whether a topic is a table or a re-keyed topic.
func (v *recovery) derived(topic string) bool {
	for _, a := range v.config.Topology.Aggregates {
		if topic == v.names.Table(a.Name) {
			return true
		}
	}
	for _, p := range v.config.Topology.Projections {
		if topic == v.names.Table(p.ID()) || p.Rekeyed() && topic == v.names.RekeyedTopic(p.ID()) {
			return true
		}
	}
	return false
}

// takeEnds notes where topics end, once no transaction is open below.
func (v *recovery) takeEnds(ctx context.Context, list lister, topics []string) error {
	ends, err := v.offsets(ctx, list, topics)
	if err != nil {
		return err
	}
	for topic, all := range ends {
		v.ends[topic] = all
	}
	return v.awaitDecided(ctx, ends)
}

// countTotal says how much there is to read: each event twice, and once more for each re-keyed
// projection, and commands that were handled. How many re-keyed events follow is not known yet.
func (v *recovery) countTotal() {
	if v.total > 0 { // it is the last part of an import, which counts for itself
		return
	}
	for _, a := range v.config.Topology.Aggregates {
		times := int64(2 + len(sources(v.config.Topology, a.Name, true)))
		for _, end := range v.ends[v.names.Events(a.Name)] {
			v.total += times * end
		}
		for _, s := range v.handled[a.Name] {
			v.total += s.size()
		}
	}
}

// commit gives the groups their offsets.
func (v *recovery) commit(ctx context.Context, offsets map[string]kadm.Offsets) error {
	for _, p := range v.config.Topology.Projections {
		input, group := v.names.Events(p.Source), v.names.Group(p.ID())
		if p.Rekeyed() {
			offsets[v.names.RekeyGroup(p.ID())] = offsetsAt(input, v.ends[input])
			input = v.names.RekeyedTopic(p.ID())
		}
		offsets[group] = offsetsAt(input, v.ends[input])
	}
	for _, group := range v.groups() {
		if len(offsets[group]) == 0 {
			continue
		}
		if err := v.admin.CommitAllOffsets(ctx, group, offsets[group]); err != nil {
			return fmt.Errorf("commit the offsets of group %s: %w", group, err)
		}
	}
	return nil
}

func offsetsAt(topic string, all []int64) kadm.Offsets {
	var offsets kadm.Offsets
	for p, at := range all {
		offsets.AddOffset(topic, int32(p), at, -1)
	}
	return offsets
}

// whole returns all of a partition of which the end was taken.
func (v *recovery) whole(topic string, partition int32) span {
	return span{topic: topic, partition: partition, from: 0, to: v.ends[topic][partition]}
}

var never = time.Unix(math.MaxInt32*100, 0)
