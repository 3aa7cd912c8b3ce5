package rebuild

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/processors"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

const (
	// closeEnough is the number of offsets that a filled version may lack. The processors handle
	// these, and later ones, at their own pace.
	closeEnough = 10_000
	// lookEvery is how often it is looked how far a version is.
	lookEvery = 100 * time.Millisecond
)

// fill runs the version's groups until it has nearly all events, and returns how many offsets of
// these it lacked.
func (v *change) fill(ctx context.Context, now *topology.ProjectionSpec) (int64, error) {
	random := make([]byte, 8)
	_, _ = rand.Read(random) // never fails
	p, err := processors.New(processors.Config{
		Topology: v.kit.Config.Topology, Settings: v.kit.Config.Settings, Codecs: v.kit.Config.Codecs, Cluster: v.kit.Config.Cluster, DataDir: v.config.DataDir,
		Instance: "rebuild-" + hex.EncodeToString(random), Only: now, Rate: v.config.Rate, Logger: v.kit.Config.Logger, Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		return 0, err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(running) }()
	total, err := v.awaitFilled(ctx, now)
	stop()
	return total, errors.Join(err, <-ended)
}

// feed is an input of a version, and the group that handles it.
type feed struct{ group, topic string }

// feeds returns the inputs of a version, the events first.
func (v *change) feeds(p *topology.ProjectionSpec) []feed {
	events, rows := feed{v.kit.Names.RekeyGroup(p.ID()), v.kit.Names.Events(p.Source)}, feed{v.kit.Names.Group(p.ID()), v.kit.Names.RekeyedTopic(p.ID())}
	if p.Rekeyed() {
		return []feed{events, rows}
	}
	return []feed{{rows.group, events.topic}}
}

// awaitFilled waits until a version has nearly all events.
func (v *change) awaitFilled(ctx context.Context, now *topology.ProjectionSpec) (total int64, err error) {
	feeds := v.feeds(now)
	for round := 0; ; round++ {
		var goal []int64 // of the events
		for i, f := range feeds {
			to, err := v.goal(ctx, f.topic)
			if err != nil {
				return total, err
			}
			if i == 0 {
				goal = to
			}
			if i == 0 && round == 0 {
				have, err := v.kit.CommittedNow(ctx, f.group, f.topic)
				if err != nil {
					return 0, err
				}
				total = sum(to) - reached(have, to)
				v.stage("filling", total)
			}
			if i > 0 {
				v.kit.Total = 0 // what is re-keyed was counted
			}
			if err := v.awaitGoal(ctx, f, to); err != nil {
				return total, err
			}
		}
		ends, err := v.kit.StableEnds(ctx, feeds[0].topic)
		if err != nil {
			return total, err
		}
		missing := sum(ends[feeds[0].topic]) - sum(goal)
		if missing <= closeEnough {
			return total, nil
		}
		v.kit.Config.Logger.Info("events came while the version was filled; going on with them", "projection", now.ID(), "events", missing)
	}
}

func sum(offsets []int64) (total int64) {
	for _, o := range offsets {
		total += o
	}
	return total
}

// reached returns how much of a goal there is.
func reached(have, goal []int64) (n int64) {
	for p, at := range have {
		n += min(at, goal[p])
	}
	return n
}

// awaitGoal waits until a group has handled everything before the goal. The goal may be beyond the
// committed offset, by markers of transactions only.
func (v *change) awaitGoal(ctx context.Context, f feed, goal []int64) error {
	told := int64(-1)
	for range retry.Attempts(ctx, lookEvery, lookEvery) {
		have, err := v.kit.CommittedNow(ctx, f.group, f.topic)
		if err != nil {
			return err
		}
		now := reached(have, goal)
		if told >= 0 { // what was there at first was handled before
			v.kit.Progress(now - told)
		}
		if told = now; now == sum(goal) {
			return nil
		}
	}
	return ctx.Err()
}

// goal returns, for each partition, the offset behind its last committed record. The end of a
// partition is no goal: behind the last record there are markers of transactions, which no group
// need have passed.
func (v *change) goal(ctx context.Context, topic string) ([]int64, error) {
	ends, err := v.kit.StableEnds(ctx, topic)
	if err != nil {
		return nil, err
	}
	goal := make([]int64, len(ends[topic]))
	for p, end := range ends[topic] {
		if end == 0 {
			continue
		}
		v.kit.Total = 0 // a look-up
		last, err := v.log.Last(ctx, kit.Span{Topic: topic, Partition: int32(p), To: end})
		if err != nil {
			return nil, err
		}
		if last != nil {
			goal[p] = last.Offset + 1
		}
	}
	return goal, nil
}

// awaitProcessors waits until the processors have taken over a version: its groups have members,
// and have handled all events so far. If nobody runs the version before either, there is nobody to
// wait for.
func (v *change) awaitProcessors(ctx context.Context, next, before *topology.ProjectionSpec) error {
	members, err := v.members(ctx, before)
	if err != nil || members == 0 {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, v.kit.Config.Patience)
	defer cancel()
	err = func() error {
		for range retry.Attempts(bounded, lookEvery, lookEvery) {
			if members, err = v.members(bounded, next); err != nil {
				return err
			}
			if members > 0 {
				break
			}
		}
		for _, f := range v.feeds(next) {
			goal, err := v.goal(bounded, f.topic)
			if err != nil {
				return err
			}
			if err := v.awaitGoal(bounded, f, goal); err != nil {
				return err
			}
		}
		return nil
	}()
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return refuse("after %s the processors have not taken over version %d of %s: deploy the release that declares it everywhere, see that they are ready, and run this again; "+
			"it need not be filled again", v.kit.Config.Patience, next.Version, next.Name)
	}
	return err
}

// members returns how many members the version's groups have; 0 if one of them has none.
func (v *change) members(ctx context.Context, p *topology.ProjectionSpec) (int, error) {
	least := math.MaxInt
	for _, f := range v.feeds(p) {
		members, err := v.kit.Members(ctx, f.group)
		if err != nil {
			return 0, err
		}
		least = min(least, members[f.group])
	}
	return least, nil
}
