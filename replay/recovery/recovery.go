package recovery

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// ErrUndecided is wrapped by errors about a log of commands that does not show which of them were
// handled. Nothing was changed then.
var ErrUndecided = errors.New("it cannot be decided where commands go on")

// Result is the result of a recovery.
type Result struct {
	// Topics were created anew.
	Topics []string `json:"topics"`
	// Offsets names the consumer groups that had no offset or a wrong one, with their new places
	// and the reasons. Those of projections are always set.
	Offsets []string `json:"offsets"`
	// Events, Aggregates, Rows and Rekeyed count the records that were read and written. Rows are
	// those of all tables.
	Events     int64 `json:"events"`
	Aggregates int64 `json:"aggregates"`
	Rows       int64 `json:"rows"`
	Rekeyed    int64 `json:"rekeyed"`
	// Took is how long it took, in nanoseconds in JSON.
	Took time.Duration `json:"took"`
}

// recovery is one run of [Run].
type recovery struct {
	kit    *kit.Reader
	writer *kit.Writer
	ends   kit.Offsets // of events and, later, of re-keyed topics
	mu     sync.Mutex
	done   Result
	// handled has the commands that were handled, by aggregate type and partition.
	handled map[string][]kit.Span
	// progress is, by aggregate type and partition, the last command whose events are complete; -1
	// if there is none.
	progress map[string][]int64
}

// Run makes all tables and re-keyed topics anew from the events alone, and gives each consumer
// group that has no offset the one at which it goes on. Commands, outcomes and events stay as they
// are. No processor may run meanwhile ([kit.ErrActive]), and none starts before it is done. After
// an interruption it is run again, from the beginning.
func Run(ctx context.Context, c kit.Config) (done *Result, err error) {
	err = kit.With(c, func(r *kit.Reader) error {
		began := time.Now()
		if done, err = On(ctx, r); err == nil {
			done.Took = time.Since(began)
		}
		return err
	})
	return done, err
}

// On is [Run] on a log that is being read already, as the last part of something else.
func On(ctx context.Context, r *kit.Reader) (*Result, error) {
	v := &recovery{kit: r, writer: r.Writer(), progress: map[string][]int64{}, handled: map[string][]kit.Span{}, ends: kit.Offsets{}}
	if err := v.run(ctx); err != nil {
		return nil, err
	}
	return &v.done, nil
}

func (v *recovery) run(ctx context.Context) error {
	config := &v.kit.Config
	var events []string
	for _, a := range config.Topology.Aggregates {
		events = append(events, v.kit.Names.Events(a.Name))
		v.progress[a.Name] = make([]int64, config.Settings.Partitions)
	}
	if err := v.kit.CheckTopics(ctx, v.kit.LogTopics()); err != nil {
		return err
	}
	if err := cluster.RefuseHalfImport(ctx, config.Cluster, config.Topology, config.Settings); err != nil {
		return err
	}
	if err := v.kit.RefuseActive(ctx); err != nil {
		return err
	}
	if err := v.takeEnds(ctx, events); err != nil {
		return err
	}
	offsets, err := v.planOffsets(ctx)
	if err != nil {
		return err
	}
	v.countTotal()
	if err := v.foldTables(ctx, false); err != nil { // before anything is deleted
		return err
	}
	derived := v.derived()
	if err := cluster.RecreateTopics(ctx, config.Cluster, derived); err != nil {
		return err
	}
	if err := v.foldTables(ctx, true); err != nil {
		return err
	}
	if err := v.rekey(ctx); err != nil {
		return err
	}
	for group, input := range v.kit.ProjectionInputs() {
		offsets[group] = kit.OffsetsAt(input, v.ends[input])
	}
	if err := v.kit.Commit(ctx, offsets); err != nil {
		return err
	}
	// dead letters may be gone, too
	if err := cluster.CreateMissing(ctx, config.Cluster, config.Topology, config.Settings); err != nil {
		return err
	}
	if err := v.restoreDeadLetters(ctx); err != nil {
		return err
	}
	if err := cluster.FinishTopics(ctx, config.Cluster, derived); err != nil {
		return err
	}
	mismatches, err := cluster.VerifyTopics(ctx, config.Cluster, config.Topology, config.Settings)
	if err != nil {
		return err
	}
	return cluster.MismatchError(mismatches)
}

// derived returns the tables and re-keyed topics.
func (v *recovery) derived() (all []topology.Topic) {
	is := map[string]bool{}
	for _, a := range v.kit.Config.Topology.Aggregates {
		is[v.kit.Names.Table(a.Name)] = true
	}
	for _, p := range v.kit.Config.Topology.Projections {
		is[v.kit.Names.Table(p.ID())], is[v.kit.Names.RekeyedTopic(p.ID())] = true, true
	}
	for _, t := range v.kit.Config.Topology.Topics(v.kit.Config.Settings) {
		if is[t.Name] {
			all = append(all, t)
			v.done.Topics = append(v.done.Topics, t.Name)
		}
	}
	return all
}

// takeEnds notes the ends of topics, once no transaction is open below them.
func (v *recovery) takeEnds(ctx context.Context, topics []string) error {
	ends, err := v.kit.Ends(ctx, topics...)
	if err != nil {
		return err
	}
	maps.Copy(v.ends, ends)
	return v.kit.AwaitDecided(ctx, ends)
}

// countTotal says how much there is to read: each event twice, and once more for each re-keyed
// projection, and commands that were handled. How many re-keyed events follow is not known yet.
func (v *recovery) countTotal() {
	if v.kit.Total > 0 { // it is the last part of an import, which counts for itself
		return
	}
	for _, a := range v.kit.Config.Topology.Aggregates {
		times := int64(2 + len(kit.Followers(v.kit.Config.Topology, a.Name, true)))
		for _, end := range v.ends[v.kit.Names.Events(a.Name)] {
			v.kit.Total += times * end
		}
		for _, s := range v.handled[a.Name] {
			v.kit.Total += s.Size()
		}
	}
}

// whole returns all of a partition up to the end that was taken.
func (v *recovery) whole(topic string, partition int32) kit.Span {
	return kit.Span{Topic: topic, Partition: partition, To: v.ends[topic][partition]}
}
