package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/topology"
)

// ErrMismatch is wrapped by errors about topics that differ from the topology. Retrying does not
// help.
var ErrMismatch = errors.New("the topics on the cluster are not those of the topology")

// MismatchError returns an error with all the mismatches, or nil if there are none. It wraps
// [ErrMismatch]. If all topics were made for another partition count or replication factor, it says
// so once.
func MismatchError(all []topology.Mismatch) error {
	if len(all) == 0 {
		return nil
	}
	var lines []string
	others := map[topology.Mismatch]int{} // how many more, by what differs without the topic
	first := map[topology.Mismatch]int{}  // its line
	for _, m := range all {
		same := topology.Mismatch{Setting: m.Setting, Want: m.Want, Have: m.Have}
		if _, known := first[same]; known && (m.Setting == "partitions" || m.Setting == "replication factor") {
			others[same]++
			continue
		}
		first[same] = len(lines)
		lines = append(lines, m.Error())
	}
	for same, n := range others {
		lines[first[same]] += fmt.Sprintf(" (and so for %d other topics)", n)
	}
	return fmt.Errorf("%w:\n  %s", ErrMismatch, strings.Join(lines, "\n  "))
}

// EnsureTopics creates the topics that do not exist, gives each new policy its starting point, and
// then verifies everything. The starting point is the end of the source's events, or the beginning
// if the policy asks for it. EnsureTopics returns the things that it created, as "topic NAME" and
// "start of policy NAME". It refuses to create a lost table anew. It may run in several processes
// at once.
func EnsureTopics(ctx context.Context, c Config, t *topology.Topology, s topology.Settings) (created []string, err error) {
	s.EnsureDefaults()
	admin, err := c.admin()
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	have, err := describe(ctx, admin, t, s)
	if err != nil {
		return nil, err
	}
	gone, err := lost(ctx, admin, t, s, have)
	if err != nil {
		return nil, err
	}
	if err := MismatchError(gone); err != nil {
		return nil, err
	}
	if created, err = createMissing(ctx, admin, t.Topics(s), have); err != nil {
		return created, err
	}
	if have, err = awaitMetadata(ctx, admin, t, s, t.Topics(s)); err != nil {
		return created, err
	}
	// Starting points need events topics with the declared partitions, so look for mismatches
	// first. The answer from above is used again: another broker might not have heard of all topics
	// yet.
	mismatches, err := compare(ctx, admin, t, s, have)
	if err != nil {
		return created, err
	}
	others := slices.DeleteFunc(mismatches, func(m topology.Mismatch) bool { return m.Setting == topology.SettingStart })
	if err := MismatchError(others); err != nil {
		return created, err
	}
	for _, p := range t.Policies {
		started, err := ensureStart(ctx, admin, p, s)
		if err != nil {
			return created, err
		}
		if started {
			created = append(created, "start of policy "+p.Name)
		}
	}
	return created, nil
}

// VerifyTopics returns every difference between the cluster and the topology with its settings.
func VerifyTopics(ctx context.Context, c Config, t *topology.Topology, s topology.Settings) ([]topology.Mismatch, error) {
	s.EnsureDefaults()
	admin, err := c.admin()
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	have, err := describe(ctx, admin, t, s)
	if err != nil {
		return nil, err
	}
	return compare(ctx, admin, t, s, have)
}

// compare returns every difference of the existing topics, and of the policies' starting points,
// from the declared ones.
func compare(ctx context.Context, admin admin, t *topology.Topology, s topology.Settings, have map[string]topology.Topic) ([]topology.Mismatch, error) {
	mismatches := topology.Diff(t.Topics(s), have)
	for _, p := range t.Policies {
		missing, err := withoutStart(ctx, admin, p, s)
		if err != nil {
			return nil, err
		}
		if len(missing) > 0 {
			mismatches = append(mismatches, topology.Mismatch{
				Topic: s.Names().Events(p.Source), Setting: topology.SettingStart,
				Want: "a committed offset of group " + s.Names().Group(p.Name), Have: fmt.Sprintf("none for partitions %v", missing),
			})
		}
	}
	return mismatches, nil
}

// describe returns the topology's existing topics with their partitions and settings. A topic that
// one broker lists and another does not know is only just being created or deleted.
func describe(ctx context.Context, admin admin, t *topology.Topology, s topology.Settings) (have map[string]topology.Topic, err error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	for range retry.Attempts(ctx, metadataPause, metadataPause) {
		if have, err = describeOnce(ctx, admin, t, s); !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return have, err
		}
	}
	return nil, err
}

func describeOnce(ctx context.Context, admin admin, t *topology.Topology, s topology.Settings) (map[string]topology.Topic, error) {
	// kadm might give an answer from before a topic was created.
	listed, err := metadataRequest(t.Topics(s)).RequestWith(ctx, admin.kafka)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	have := map[string]topology.Topic{}
	var existing []string
	for _, topic := range listed.Topics {
		err := kerr.ErrorForCode(topic.ErrorCode)
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			continue
		}
		name := *topic.Topic
		if err != nil {
			return nil, fmt.Errorf("list topic %s: %w", name, err)
		}
		found := topology.Topic{Name: name, Partitions: len(topic.Partitions)}
		if len(topic.Partitions) > 0 {
			found.ReplicationFactor = len(topic.Partitions[0].Replicas)
		}
		have[name] = found
		existing = append(existing, name)
	}
	if len(existing) == 0 {
		return have, nil
	}
	configs, err := admin.DescribeTopicConfigs(ctx, existing...)
	if err != nil {
		return nil, fmt.Errorf("describe topic settings: %w", err)
	}
	for _, resource := range configs {
		if resource.Err != nil {
			return nil, fmt.Errorf("describe settings of topic %s: %w", resource.Name, resource.Err)
		}
		topic := have[resource.Name]
		topic.Config = map[string]string{}
		for _, config := range resource.Configs {
			topic.Config[config.Key] = config.MaybeValue()
		}
		have[resource.Name] = topic
	}
	return have, nil
}

// createMissing creates the topics that do not exist, in order, and returns each as "topic NAME".
func createMissing(ctx context.Context, admin admin, topics []topology.Topic, have map[string]topology.Topic) (created []string, err error) {
	for _, topic := range topics {
		if _, exists := have[topic.Name]; exists {
			continue
		}
		// Another process was faster; verification decides.
		if err := admin.create(ctx, topic); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return created, fmt.Errorf("create topic %s with %d partitions and replication factor %d: %w", topic.Name, topic.Partitions, topic.ReplicationFactor, err)
		}
		created = append(created, "topic "+topic.Name)
	}
	return created, nil
}

func (a admin) create(ctx context.Context, topic topology.Topic) error {
	configs := map[string]*string{}
	for key, value := range topic.Config {
		configs[key] = &value
	}
	_, err := a.CreateTopic(ctx, int32(topic.Partitions), int16(topic.ReplicationFactor), configs, topic.Name)
	return err
}

// withoutStart returns the partitions of a policy's source without a committed offset of its group.
func withoutStart(ctx context.Context, admin admin, p *topology.PolicySpec, s topology.Settings) ([]int32, error) {
	group, topic := s.Names().Group(p.Name), s.Names().Events(p.Source)
	committed, err := admin.FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, fmt.Errorf("read the offsets of group %s: %w", group, err)
	}
	var missing []int32
	for partition := range int32(s.Partitions) {
		if o, ok := committed.Lookup(topic, partition); !ok || o.At < 0 {
			missing = append(missing, partition)
		}
	}
	return missing, nil
}

func ensureStart(ctx context.Context, admin admin, p *topology.PolicySpec, s topology.Settings) (bool, error) {
	missing, err := withoutStart(ctx, admin, p, s)
	if err != nil || len(missing) == 0 {
		return false, err
	}
	group, topic := s.Names().Group(p.Name), s.Names().Events(p.Source)
	list := admin.ListEndOffsets
	if p.Beginning {
		list = admin.ListStartOffsets
	}
	listed, err := list(ctx, topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return false, fmt.Errorf("find where policy %s starts in %s: %w", p.Name, topic, err)
	}
	var start kadm.Offsets
	for _, partition := range missing {
		o, _ := listed.Lookup(topic, partition)
		start.AddOffset(topic, partition, o.Offset, -1)
	}
	if err := admin.CommitAllOffsets(ctx, group, start); err != nil {
		return false, fmt.Errorf("commit where policy %s starts in %s: %w", p.Name, topic, err)
	}
	return true, nil
}
