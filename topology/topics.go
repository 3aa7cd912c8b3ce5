package topology

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Largest records, in bytes.
const (
	// MaxCommandBytes is the largest command, HTTP body or Kafka record value.
	MaxCommandBytes = 1 << 20
	// MaxDeadLetterBytes leaves room for any command with its key, headers and cause.
	MaxDeadLetterBytes = 2 << 20
	// MaxRecordBytes is the largest event, row or outcome.
	MaxRecordBytes = 4 << 20
	// batchOverhead is what a record batch adds to a record of the largest size: key, headers and framing.
	batchOverhead = 64 << 10
)

// Topic is a topic that follows from a topology, with every setting that it depends on.
type Topic struct {
	Name              string
	Partitions        int
	ReplicationFactor int
	// Config has the topic's settings by their Kafka names.
	Config map[string]string
}

// Names returns the names that the settings' prefix gives.
func (s Settings) Names() Names { return Names{Prefix: s.Prefix} }

// Topics returns every topic of the topology, sorted by name.
func (t *Topology) Topics(s Settings) []Topic {
	s.EnsureDefaults()
	n := s.Names()
	var topics []Topic
	add := func(name string, maxBytes int, config map[string]string) {
		config["min.insync.replicas"] = strconv.Itoa(s.MinISR)
		config["max.message.bytes"] = strconv.Itoa(maxBytes + batchOverhead)
		config["unclean.leader.election.enable"] = "false"
		if config["message.timestamp.type"] == "" {
			config["message.timestamp.type"] = "CreateTime"
		}
		topics = append(topics, Topic{Name: name, Partitions: s.Partitions, ReplicationFactor: s.ReplicationFactor, Config: config})
	}
	deadLetters := func(group string) {
		add(n.DeadLetters(group), MaxDeadLetterBytes, keep(s.DeadLetterRetention))
	}
	for _, a := range t.Aggregates {
		commands := keep(s.CommandRetention)
		commands["message.timestamp.type"] = "LogAppendTime"
		add(n.Commands(a.Name), MaxCommandBytes, commands)
		add(n.Events(a.Name), MaxRecordBytes, keepForever())
		add(n.Outcomes(a.Name), MaxRecordBytes, keep(s.Horizon+day))
		add(n.Table(a.Name), MaxRecordBytes, compact())
		deadLetters(n.Group(a.Name))
	}
	for _, p := range t.Policies {
		deadLetters(n.Group(p.Name))
	}
	for _, p := range t.Projections {
		add(n.Table(p.Name), MaxRecordBytes, compact())
		deadLetters(n.Group(p.Name))
		if p.Rekeyed() {
			add(n.RekeyedTopic(p.Name), MaxRecordBytes, keepForever())
			deadLetters(n.RekeyGroup(p.Name))
		}
	}
	slices.SortFunc(topics, func(a, b Topic) int { return strings.Compare(a.Name, b.Name) })
	return topics
}

func keep(d time.Duration) map[string]string {
	return map[string]string{"cleanup.policy": "delete", "retention.ms": strconv.FormatInt(d.Milliseconds(), 10), "retention.bytes": "-1"}
}

func keepForever() map[string]string {
	return map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
}

func compact() map[string]string { return map[string]string{"cleanup.policy": "compact"} }
