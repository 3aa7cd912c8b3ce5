package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/internal/versions"
	"github.com/foldlog/foldlog/topology"
)

// Dropped is what [Drop] deleted.
type Dropped struct {
	State  versions.State `json:"state"`
	Topics []string       `json:"topics"`
	Groups []string       `json:"groups"`
}

// Drop deletes the version of a projection that does not serve: its topics and consumer groups. It
// can be run again where it was interrupted.
func Drop(ctx context.Context, c VersionConfig) (done *Dropped, err error) {
	v, err := beginChange(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.end()) }()
	serving := v.state.Serving
	if v.state.Other != 0 {
		if err := v.write(ctx, versions.State{Serving: serving}); err != nil {
			return nil, err
		}
	}
	done = &Dropped{State: v.state, Topics: []string{}, Groups: []string{}}
	for _, other := range []int{serving - 1, serving + 1} {
		if other > 0 {
			if err := v.drop(ctx, topology.VersionID(c.Projection, other), done); err != nil {
				return nil, err
			}
		}
	}
	if len(done.Topics)+len(done.Groups) == 0 {
		return nil, refuse("there is no version of %s beside version %d, which serves", c.Projection, serving)
	}
	return done, nil
}

// drop deletes what there is of a version that nobody runs any more.
func (v *change) drop(ctx context.Context, id string, done *Dropped) error {
	topics := []string{v.names.Table(id), v.names.RekeyedTopic(id)}
	for _, group := range v.versionGroups(id) {
		topics = append(topics, v.names.DeadLetters(group))
		if err := v.awaitLeft(ctx, group); err != nil {
			return err
		}
	}
	listed, err := v.admin.ListTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	for _, topic := range topics {
		if !listed.Has(topic) {
			continue
		}
		if _, err := v.admin.DeleteTopic(ctx, topic); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("delete topic %s: %w", topic, err)
		}
		done.Topics = append(done.Topics, topic)
	}
	for _, group := range v.versionGroups(id) {
		_, err := v.admin.DeleteGroup(ctx, group)
		switch {
		case err == nil:
			done.Groups = append(done.Groups, group)
		case !errors.Is(err, kerr.GroupIDNotFound):
			return fmt.Errorf("delete group %s: %w", group, err)
		}
	}
	return nil
}

// awaitLeft waits until nobody is in a group.
func (v *change) awaitLeft(ctx context.Context, group string) error {
	for deadline := time.Now().Add(v.config.Patience); ; {
		g, err := v.describeGroup(ctx, group)
		if err != nil {
			return err
		}
		if len(g.Members) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return refuse("consumer group %s still has %d members: stop the 'foldlog rebuild' that fills it, or the release that does not know of versions, and run this again", group, len(g.Members))
		}
		if err := pause(ctx, lookEvery); err != nil {
			return err
		}
	}
}

// VersionStatus is how far one version of a projection is.
type VersionStatus struct {
	Projection string `json:"projection"`
	Version    int    `json:"version"`
	// Status is serving, kept, filling, or declared: not filled yet, or dropped.
	Status   string `json:"status"`
	Declared bool   `json:"declared"`
	// Behind is how many offsets of the events it has not handled.
	Behind int64     `json:"behind"`
	Since  time.Time `json:"since,omitzero"`
	By     string    `json:"by,omitempty"`
}

// Versions returns how far the versions of a projection are, oldest first.
func Versions(ctx context.Context, c VersionConfig) (all []VersionStatus, err error) {
	v, err := beginChange(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.end()) }()
	log, err := kafkalog.Open(c.Cluster)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if other := v.state.Other; other != 0 && other < v.state.Serving && v.version(other) == nil {
		all = append(all, VersionStatus{Projection: c.Projection, Version: other, Status: string(v.state.Stage), Since: v.state.At, By: v.state.By})
	}
	for _, p := range v.declared {
		s := VersionStatus{Projection: p.Name, Version: p.Version, Status: "declared", Declared: true}
		switch p.Version {
		case v.state.Serving:
			s.Status = "serving"
		case v.state.Other:
			s.Status = string(v.state.Stage)
		}
		if v.state.Live(p.Version) {
			s.Since, s.By = v.state.At, v.state.By
			events := v.names.Events(p.Source)
			goal, err := v.goal(ctx, log, events)
			if err != nil {
				return nil, err
			}
			have, err := v.handled(ctx, v.firstGroup(p), events)
			if err != nil {
				return nil, err
			}
			for i, at := range have {
				s.Behind += max(goal[i]-at, 0)
			}
		}
		all = append(all, s)
	}
	return all, nil
}
