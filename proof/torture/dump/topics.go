package dump

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/foldlog/foldlog/proof/history"
)

// Topics writes every topic's records, as read_committed and as read_uncommitted, and topics.json:
// places, committed offsets, and the schemas of the registry.
func Topics(ctx context.Context, dir string, client *kgo.Client, registry string) error {
	admin := kadm.NewClient(client)
	topics, err := places(ctx, admin)
	if err != nil {
		return err
	}
	about := history.Topics{Topics: topics}
	for name, topic := range topics {
		for file, committed := range map[string]bool{"committed": true, "uncommitted": false} {
			if err := dumpTopic(ctx, dir, client, name, topic, file, committed); err != nil {
				return err
			}
		}
	}
	if about.Offsets, err = Offsets(ctx, admin); err != nil {
		return err
	}
	if about.Schemas, err = schemas(ctx, registry); err != nil {
		return err
	}
	return history.WriteJSON(dir, "topics.json", about)
}

func dumpTopic(ctx context.Context, dir string, client *kgo.Client, name string, topic history.Topic, file string, committed bool) (err error) {
	out, err := history.Create(dir, "topics/"+name+"."+file+".jsonl")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for partition := range int32(len(topic.Start)) {
		r := &reader{client: client, topic: name, partition: partition, committed: committed}
		end := topic.End[partition]
		if committed {
			end = topic.Stable[partition]
		}
		if err := r.read(ctx, topic.Start[partition], end, func(record *kgo.Record) error { return out.Write(recordOf(record)) }); err != nil {
			return err
		}
	}
	return nil
}

func recordOf(r *kgo.Record) history.Record {
	record := history.Record{Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		record.Headers = append(record.Headers, [2][]byte{[]byte(h.Key), h.Value})
	}
	return record
}

// places returns where every topic of the system begins and ends.
func places(ctx context.Context, admin *kadm.Client) (map[string]history.Topic, error) {
	listed, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	all := map[string]history.Topic{}
	for _, name := range listed.Names() {
		if strings.HasPrefix(name, "__") {
			continue
		}
		topic := history.Topic{}
		for _, list := range []struct {
			from func(context.Context, ...string) (kadm.ListedOffsets, error)
			to   *map[int32]int64
		}{{admin.ListStartOffsets, &topic.Start}, {admin.ListEndOffsets, &topic.End}, {admin.ListCommittedOffsets, &topic.Stable}} {
			offsets, err := list.from(ctx, name)
			if err = errors.Join(err, offsets.Error()); err != nil {
				return nil, fmt.Errorf("places of %s: %w", name, err)
			}
			*list.to = map[int32]int64{}
			offsets.Each(func(o kadm.ListedOffset) { (*list.to)[o.Partition] = o.Offset })
		}
		all[name] = topic
	}
	configs, err := admin.DescribeTopicConfigs(ctx, keys(all)...)
	if err != nil {
		return nil, fmt.Errorf("settings of topics: %w", err)
	}
	for _, resource := range configs {
		for _, config := range resource.Configs {
			if config.Key == "cleanup.policy" {
				topic := all[resource.Name]
				topic.Compacted = strings.Contains(config.MaybeValue(), "compact")
				all[resource.Name] = topic
			}
		}
	}
	return all, nil
}

func keys[V any](m map[string]V) []string {
	var all []string
	for key := range m {
		all = append(all, key)
	}
	return all
}

// Offsets returns the committed offsets of all groups: group, topic, partition.
func Offsets(ctx context.Context, admin *kadm.Client) (map[string]map[string]map[int32]int64, error) {
	groups, err := admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	all := map[string]map[string]map[int32]int64{}
	for _, group := range groups.Groups() {
		committed, err := admin.FetchOffsets(ctx, group)
		if err != nil {
			return nil, fmt.Errorf("offsets of group %s: %w", group, err)
		}
		all[group] = map[string]map[int32]int64{}
		committed.Each(func(o kadm.OffsetResponse) {
			if all[group][o.Topic] == nil {
				all[group][o.Topic] = map[int32]int64{}
			}
			if o.At >= 0 {
				all[group][o.Topic][o.Partition] = o.At
			}
		})
	}
	return all, nil
}

// schemas returns every schema of the registry by id.
func schemas(ctx context.Context, url string) (map[int]string, error) {
	client, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		return nil, err
	}
	subjects, err := client.Subjects(ctx)
	if err != nil {
		return nil, fmt.Errorf("subjects of the registry: %w", err)
	}
	all := map[int]string{}
	for _, subject := range subjects {
		versions, err := client.Schemas(ctx, subject)
		if err != nil {
			return nil, fmt.Errorf("schemas of %s: %w", subject, err)
		}
		for _, version := range versions {
			all[version.ID] = version.Schema.Schema
		}
	}
	return all, nil
}
