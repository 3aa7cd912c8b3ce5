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
	// MaxBatchBytes is the largest record batch of every topic and the largest dead letter. It is
	// twice the largest command, so that any command fits into a dead letter with its headers and
	// cause, and into an event with its envelope.
	MaxBatchBytes = 2 << 20
	// MaxRecordBytes is the largest event, row or outcome. It leaves ample room in a batch for key,
	// headers and framing.
	MaxRecordBytes = MaxBatchBytes - 64<<10
)

// Topic is a topic that follows from a topology, with every setting that it depends on.
type Topic struct {
	Name              string `json:"name"`
	Partitions        int    `json:"partitions"`
	ReplicationFactor int    `json:"replication_factor"`
	// Config has the topic's settings by their Kafka names.
	Config map[string]string `json:"config"`
}

// Names returns the names that the settings' prefix gives.
func (s Settings) Names() Names { return Names{Prefix: s.Prefix} }

// Topics returns every topic of the topology, sorted by name: those of all declared versions of
// projections. [Topology.With] leaves versions out.
func (t *Topology) Topics(s Settings) []Topic {
	s.EnsureDefaults()
	n := s.Names()
	var topics []Topic
	add := func(name string, config map[string]string) {
		config["min.insync.replicas"] = strconv.Itoa(s.MinISR)
		config["max.message.bytes"] = strconv.Itoa(MaxBatchBytes)
		config["unclean.leader.election.enable"] = "false"
		if config["message.timestamp.type"] == "" {
			config["message.timestamp.type"] = "CreateTime"
		}
		topics = append(topics, Topic{Name: name, Partitions: s.Partitions, ReplicationFactor: s.ReplicationFactor, Config: config})
	}
	deadLetters := func(group string) {
		add(n.DeadLetters(group), keep(s.DeadLetterRetention))
	}
	for _, a := range t.Aggregates {
		commands := keep(s.CommandRetention)
		commands["message.timestamp.type"] = "LogAppendTime"
		add(n.Commands(a.Name), commands)
		add(n.Events(a.Name), keepForever())
		add(n.Outcomes(a.Name), keep(s.OutcomeRetention))
		add(n.Table(a.Name), compact())
		deadLetters(n.Group(a.Name))
	}
	for _, p := range t.Policies {
		deadLetters(n.Group(p.Name))
	}
	for _, p := range t.Projections {
		add(n.Table(p.ID()), compact())
		deadLetters(n.Group(p.ID()))
		if p.Rekeyed() {
			add(n.RekeyedTopic(p.ID()), keepForever())
			deadLetters(n.RekeyGroup(p.ID()))
		}
	}
	if t.Versioned() {
		add(n.Versions(), compact())
		topics[len(topics)-1].Partitions = 1 // one order for all
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
