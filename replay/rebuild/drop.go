package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/internal/versions"
	"github.com/foldlog/foldlog/topology"
)

// Dropped lists the things that [Drop] deleted.
type Dropped struct {
	State  versions.State `json:"state"`
	Topics []string       `json:"topics"`
	Groups []string       `json:"groups"`
}

// Drop deletes the version of a projection that does not serve: its topics and consumer groups.
// After an interruption it can be run again.
func Drop(ctx context.Context, c Config) (done *Dropped, err error) {
	err = with(ctx, c, func(v *change) error {
		serving := v.state.Serving
		if v.state.Other != 0 {
			if err := v.write(ctx, versions.State{Serving: serving}); err != nil {
				return err
			}
		}
		dropped := &Dropped{State: v.state, Topics: []string{}, Groups: []string{}}
		for _, other := range []int{serving - 1, serving + 1} {
			if other > 0 {
				if err := v.drop(ctx, topology.VersionID(c.Projection, other), dropped); err != nil {
					return err
				}
			}
		}
		if len(dropped.Topics)+len(dropped.Groups) == 0 {
			return refuse("there is no version of %s beside version %d, which serves", c.Projection, serving)
		}
		done = dropped
		return nil
	})
	return done, err
}

// drop deletes the topics and groups of a version that nobody runs any more.
func (v *change) drop(ctx context.Context, id string, done *Dropped) error {
	topics, groups := []string{v.kit.Names.Table(id), v.kit.Names.RekeyedTopic(id)}, []string{v.kit.Names.Group(id), v.kit.Names.RekeyGroup(id)}
	for _, group := range groups {
		topics = append(topics, v.kit.Names.DeadLetters(group))
		if err := v.awaitLeft(ctx, group); err != nil {
			return err
		}
	}
	listed, err := v.kit.Admin.ListTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	for _, topic := range topics {
		if !listed.Has(topic) {
			continue
		}
		if _, err := v.kit.Admin.DeleteTopic(ctx, topic); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("delete topic %s: %w", topic, err)
		}
		done.Topics = append(done.Topics, topic)
	}
	for _, group := range groups {
		_, err := v.kit.Admin.DeleteGroup(ctx, group)
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
	deadline := time.Now().Add(v.kit.Config.Patience)
	for range retry.Attempts(ctx, lookEvery, lookEvery) {
		members, err := v.kit.Members(ctx, group)
		if err != nil {
			return err
		}
		if members[group] == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return refuse("consumer group %s still has %d members: stop the 'foldlog rebuild' that fills it, or the release that does not know of versions, and run this again", group, members[group])
		}
	}
	return ctx.Err()
}
