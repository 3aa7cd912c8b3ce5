package exactlyonce

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/topology"
)

// defaultDeleteRetention is Kafka's default delete.retention.ms.
const defaultDeleteRetention = 24 * time.Hour

// checkTopics asserts that the topics are those that the group expects. Otherwise things would
// silently go wrong later.
func (e *engine) checkTopics() error {
	names := []string{e.group.Input}
	for _, name := range append([]string{e.tableTopic(), e.indexTopic(), e.group.ProgressTopic}, e.group.Outputs...) {
		if name != "" {
			names = append(names, name)
		}
	}
	ctx, cancel := within(e.config.Patience)
	defer cancel()
	listed, err := e.admin.ListTopics(ctx, names...)
	if err != nil {
		return failf(CauseMembership, "list topics: %w", err)
	}
	var all []error
	for _, name := range names {
		switch t, ok := listed[name]; {
		case !ok:
			all = append(all, fmt.Errorf("topic %s: the brokers do not know it", name))
		case t.Err != nil:
			all = append(all, fmt.Errorf("topic %s: %w", name, t.Err))
		case len(t.Partitions) != e.group.Partitions:
			all = append(all, fmt.Errorf("topic %s has %d partitions, the group was made for %d: keys would move away from their state",
				name, len(t.Partitions), e.group.Partitions))
		}
	}
	return fail(CauseConfiguration, errors.Join(all...))
}

// checkBrokers asserts that the brokers support fencing. It returns the protocol that all of them
// have, or the first if that is wanted.
func (e *engine) checkBrokers() (protocol, error) {
	ctx, cancel := within(e.config.Patience)
	defer cancel()
	brokers, err := e.admin.ApiVersions(ctx)
	if err != nil {
		return 0, failf(CauseMembership, "ask the brokers for their versions: %w", err)
	}
	agreed := transactionsV2
	if e.config.TransactionsV1 {
		agreed = transactionsV1
	}
	answered := false
	for _, b := range brokers {
		if b.Err != nil {
			continue // it is down; those that are up speak for it
		}
		for key, least := range map[kmsg.Key]int16{kmsg.TxnOffsetCommit: 3, kmsg.OffsetFetch: 7, kmsg.JoinGroup: 5} {
			if have, ok := b.KeyMaxVersion(int16(key)); !ok || have < least {
				return 0, failf(CauseConfiguration, "broker %d supports %s up to version %d, exactly once needs %d (Kafka 2.5)", b.NodeID, key.Name(), have, least)
			}
		}
		agreed, answered = min(agreed, finalized(b.Raw())), true
	}
	if !answered {
		agreed = transactionsV1 // which all brokers have
	}
	e.log.Debug("the brokers answered", "protocol", agreed)
	return agreed, nil
}

func (e *engine) tableTopic() string {
	if e.group.Table == nil {
		return ""
	}
	return e.group.Table.Topic
}

func (e *engine) indexTopic() string {
	if e.group.Index == nil {
		return ""
	}
	return e.group.Index.Topic
}

// expectedStore returns the receipt that a store must have to be trusted in this generation.
func (e *engine) expectedStore() (expected, error) {
	want := expected{group: e.group.Name, longestAbsence: defaultDeleteRetention / 2}
	ctx, cancel := within(e.config.Patience)
	defer cancel()
	for _, topic := range e.stateTopics() {
		id, retention, err := e.kafka.identity(ctx, topic)
		if err != nil {
			return want, failf(CauseRestore, "find the id of topic %s of group %s: %w", topic, e.group.Name, err)
		}
		if topic == e.indexTopic() {
			want.indexID = id
			continue
		}
		want.tableID = id
		if retention > 0 { // where it cannot be read, the default is assumed
			want.longestAbsence = retention / 2
		}
	}
	return want, nil
}

// stateTopics are the topics that stores are copies of.
func (e *engine) stateTopics() []string {
	var names []string
	for _, name := range []string{e.tableTopic(), e.indexTopic()} {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// progressKeys returns, for each partition, the key of the progress record of a source partition.
func (e *engine) progressKeys(from source) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	keys := e.keys[from]
	if keys == nil {
		keys = topology.ProgressKeys(from.name, from.partition, e.group.Partitions)
		e.keys[from] = keys
	}
	return keys
}
