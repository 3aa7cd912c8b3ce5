package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/topology"
)

const (
	cleanupPolicy = "cleanup.policy"
	// unfinished is the cleanup policy of tables that are being rebuilt. It differs from the
	// declared one, so no process starts on half a table.
	unfinished = "delete"
	compacted  = "compact"

	recreatePause = 100 * time.Millisecond
)

// RecreateTopics deletes the topics and creates them empty. Tables have another cleanup policy than
// the declared one until [FinishTopics], so that no process starts on them before.
func RecreateTopics(ctx context.Context, c Config, topics []topology.Topic) error {
	admin, err := c.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	deleted, err := admin.DeleteTopics(ctx, namesOf(topics)...)
	if err != nil {
		return fmt.Errorf("delete topics: %w", err)
	}
	for _, d := range deleted {
		if d.Err != nil && !errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("delete topic %s: %w", d.Topic, d.Err)
		}
	}
	for _, t := range topics {
		if err := recreate(ctx, admin, t); err != nil {
			return err
		}
	}
	return awaitEmpty(ctx, admin, topics)
}

// recreate creates a topic once the brokers have forgotten the one before it.
func recreate(ctx context.Context, admin admin, t topology.Topic) error {
	t.Config = maps.Clone(t.Config)
	if t.Config[cleanupPolicy] == compacted {
		t.Config[cleanupPolicy] = unfinished
	}
	deadline := time.Now().Add(2 * adminTimeout)
	// A deletion is acknowledged before it is done.
	for range retry.Attempts(ctx, recreatePause, recreatePause) {
		err := admin.create(ctx, t)
		if err == nil {
			return nil
		}
		if !errors.Is(err, kerr.TopicAlreadyExists) || time.Now().After(deadline) {
			return fmt.Errorf("create topic %s anew: %w", t.Name, err)
		}
	}
	return ctx.Err()
}

// awaitEmpty waits until the brokers know the new, empty topics.
func awaitEmpty(ctx context.Context, admin admin, topics []topology.Topic) error {
	deadline := time.Now().Add(adminTimeout)
	for range retry.Attempts(ctx, recreatePause, recreatePause) {
		ends, err := admin.ends(ctx, namesOf(topics)...)
		if err == nil {
			for _, t := range topics {
				if len(ends[t.Name]) != t.Partitions {
					err = fmt.Errorf("topic %s is not known with all of its partitions yet", t.Name)
				}
				for _, o := range ends[t.Name] {
					if o.Offset != 0 {
						err = fmt.Errorf("topic %s is not empty: somebody writes to it, or it is still the old one", t.Name)
					}
				}
			}
		}
		switch {
		case err == nil:
			return nil
		case time.Now().After(deadline) && ctx.Err() == nil:
			return fmt.Errorf("wait for the new topics: %w", err)
		}
	}
	return ctx.Err()
}

// CreateMissing creates the topics of the topology that do not exist. Call it only after the topics
// that must not be empty were rebuilt.
func CreateMissing(ctx context.Context, c Config, t *topology.Topology, s topology.Settings) error {
	s.EnsureDefaults()
	admin, err := c.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	have, err := describe(ctx, admin, t, s)
	if err != nil {
		return err
	}
	if _, err := createMissing(ctx, admin, t.Topics(s), have); err != nil {
		return err
	}
	_, err = awaitMetadata(ctx, admin, t, s, t.Topics(s))
	return err
}

// FinishTopics gives the tables among the topics their declared cleanup policy.
func FinishTopics(ctx context.Context, c Config, topics []topology.Topic) error {
	admin, err := c.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	var tables []string
	for _, t := range topics {
		if t.Config[cleanupPolicy] == compacted {
			tables = append(tables, t.Name)
		}
	}
	return alter(ctx, admin, cleanupPolicy, compacted, tables)
}

// alter changes one setting of topics. It returns when the brokers have it.
func alter(ctx context.Context, admin admin, setting, value string, topics []string) error {
	if len(topics) == 0 { // which would stand for all
		return nil
	}
	altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: setting, Value: &value}}, topics...)
	if err != nil {
		return fmt.Errorf("set %s=%s: %w", setting, value, err)
	}
	for _, a := range altered {
		if a.Err != nil {
			return fmt.Errorf("set %s=%s of %s: %w", setting, value, a.Name, a.Err)
		}
	}
	return admin.awaitSetting(ctx, setting, value, topics)
}

// lost returns the missing topics that once had records. Creating them empty would start aggregates
// anew, or leave rows without their past.
func lost(ctx context.Context, admin admin, t *topology.Topology, s topology.Settings, have map[string]topology.Topic) ([]topology.Mismatch, error) {
	n := s.Names()
	var all []topology.Mismatch
	report := func(topic, input string) {
		all = append(all, topology.Mismatch{Topic: topic, Setting: topology.SettingLost, Want: "what follows from " + input, Have: "nothing"})
	}
	missing := func(topic string) bool { _, exists := have[topic]; return !exists }
	for _, a := range t.Aggregates {
		events := n.Events(a.Name)
		if !missing(n.Table(a.Name)) || missing(events) {
			continue
		}
		ends, err := admin.ends(ctx, events)
		if err != nil {
			return nil, fmt.Errorf("find whether %s has events: %w", events, err)
		}
		written := false
		ends.Each(func(o kadm.ListedOffset) { written = written || o.Offset > 0 })
		if written {
			report(n.Table(a.Name), events)
		}
	}
	for _, p := range t.Projections {
		groups := map[string]string{n.Table(p.ID()): n.Group(p.ID())}
		if p.Rekeyed() {
			groups[n.RekeyedTopic(p.ID())] = n.RekeyGroup(p.ID())
		}
		for topic, group := range groups {
			if !missing(topic) {
				continue
			}
			committed, err := admin.FetchOffsets(ctx, group)
			if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
				return nil, fmt.Errorf("read the offsets of group %s: %w", group, err)
			}
			handled := false
			committed.Each(func(o kadm.OffsetResponse) { handled = handled || o.At > 0 })
			if handled {
				report(topic, "what group "+group+" has handled")
			}
		}
	}
	return all, nil
}
