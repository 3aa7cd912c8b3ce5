package topology

import (
	"fmt"
	"maps"
	"slices"
)

// SettingStart is the [Mismatch] setting for a policy whose consumer group has no starting point.
const SettingStart = "start offset"

// SettingLost is the [Mismatch] setting for a topic that is missing, though something was in it
// that must not begin anew.
const SettingLost = "content"

// Mismatch is one difference between a topic and the topology.
type Mismatch struct {
	Topic   string `json:"topic"`
	Setting string `json:"setting"`
	Want    string `json:"want"`
	Have    string `json:"have"`
}

// Error names the difference and the remedy.
func (m Mismatch) Error() string {
	switch m.Setting {
	case "exists":
		return fmt.Sprintf("topic %s does not exist: run 'foldlog topics create'", m.Topic)
	case "partitions":
		return fmt.Sprintf("topic %s has %s partitions, the topology asks for %s: set --partitions %s or migrate; keys would move away from their state",
			m.Topic, m.Have, m.Want, m.Have)
	case "replication factor":
		return fmt.Sprintf("topic %s has replication factor %s, the topology asks for %s: reassign its replicas or set --replication-factor", m.Topic, m.Have, m.Want)
	case SettingLost:
		return fmt.Sprintf("topic %s is gone, and an empty one would lack %s: run 'foldlog recover'", m.Topic, m.Want)
	case SettingStart:
		return fmt.Sprintf("topic %s: a policy needs %s, there is %s: run 'foldlog topics create' to start it at the end of the events; "+
			"where the policy ran before, restore its offsets instead, or it misses the events in between", m.Topic, m.Want, m.Have)
	}
	if m.Setting == "cleanup.policy" && m.Want == "compact" {
		return fmt.Sprintf("topic %s has cleanup.policy=%s, the topology asks for compact: a recovery that did not end leaves it so, then run 'foldlog recover' again; "+
			"else alter the topic", m.Topic, m.Have)
	}
	if m.Setting == "message.timestamp.type" && m.Want == "LogAppendTime" {
		return fmt.Sprintf("topic %s has message.timestamp.type=%s, the topology asks for LogAppendTime: an import that did not end leaves it so, then run 'foldlog import' again; "+
			"else alter the topic", m.Topic, m.Have)
	}
	return fmt.Sprintf("topic %s has %s=%s, the topology asks for %s: alter the topic or the setting", m.Topic, m.Setting, m.Have, m.Want)
}

// Diff compares the topics that the topology asks for with those that exist (by name) and returns
// every mismatch, in the order of want. Settings that a topology does not depend on may have any
// value.
func Diff(want []Topic, have map[string]Topic) []Mismatch {
	var all []Mismatch
	for _, w := range want {
		h, exists := have[w.Name]
		if !exists {
			all = append(all, Mismatch{Topic: w.Name, Setting: "exists", Want: "yes", Have: "no"})
			continue
		}
		compare := func(setting, want, have string) {
			if want != have {
				all = append(all, Mismatch{Topic: w.Name, Setting: setting, Want: want, Have: have})
			}
		}
		compare("partitions", fmt.Sprint(w.Partitions), fmt.Sprint(h.Partitions))
		compare("replication factor", fmt.Sprint(w.ReplicationFactor), fmt.Sprint(h.ReplicationFactor))
		for _, key := range slices.Sorted(maps.Keys(w.Config)) {
			compare(key, w.Config[key], h.Config[key])
		}
	}
	return all
}
