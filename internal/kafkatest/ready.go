package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AwaitReady returns once every broker that runs and is not frozen answers, knows all those
// brokers, and finds coordinators of groups and transactions. It fails when ctx ends, and at once
// when a broker died by itself.
func (k *Kafka) AwaitReady(ctx context.Context) error {
	return poll(ctx, "wait for the brokers to be ready", k.ready)
}

func (k *Kafka) ready(ctx context.Context) error {
	if err := k.Died(); err != nil {
		return fatal{err}
	}
	nodes := k.responsive()
	for _, n := range nodes {
		metadata, err := n.metadata(ctx)
		if err != nil {
			return err
		}
		for _, other := range nodes {
			if !slices.ContainsFunc(metadata.Brokers, func(b kmsg.MetadataResponseBroker) bool { return int(b.NodeID) == other.ID }) {
				return fmt.Errorf("broker %d does not know broker %d", n.ID, other.ID)
			}
		}
		for kind, what := range map[coordinatorKind]string{ofGroup: "group", ofTransaction: "transaction"} {
			// the first search creates the topic that coordinators use
			if _, err := n.coordinator(ctx, kind, "kafkatest"); err != nil {
				return fmt.Errorf("broker %d finds no %s coordinator: %w", n.ID, what, err)
			}
		}
	}
	return nil
}

// AwaitInSync returns once every node has the metadata log and every partition is led and has all
// its replicas in sync, as every broker sees it. It fails when ctx ends, and at once when a broker
// is down or frozen, since its replicas are never in sync.
func (k *Kafka) AwaitInSync(ctx context.Context) error {
	return poll(ctx, "wait for all replicas to be in sync", func(ctx context.Context) error {
		if err := k.Died(); err != nil {
			return fatal{err}
		}
		if running := k.responsive(); len(running) < len(k.nodes) {
			return fatal{fmt.Errorf("%d of %d brokers are down or frozen", len(k.nodes)-len(running), len(k.nodes))}
		}
		if err := k.ready(ctx); err != nil {
			return err
		}
		for _, n := range k.nodes {
			if err := n.inSync(ctx); err != nil {
				return err
			}
		}
		return k.quorumInSync(ctx)
	})
}

func (n *node) inSync(ctx context.Context) error {
	metadata, err := n.metadata(ctx)
	if err != nil {
		return err
	}
	for _, topic := range metadata.Topics {
		for _, p := range topic.Partitions {
			switch {
			case p.Leader < 0:
				return fmt.Errorf("partition %s/%d has no leader, says broker %d", *topic.Topic, p.Partition, n.ID)
			case len(p.ISR) < len(p.Replicas):
				return fmt.Errorf("partition %s/%d has replicas %v in sync of %v, says broker %d", *topic.Topic, p.Partition, p.ISR, p.Replicas, n.ID)
			}
		}
	}
	return nil
}

// quorumInSync returns nil when every controller has all that is committed of the metadata log.
func (k *Kafka) quorumInSync(ctx context.Context) error {
	quorum, err := k.quorum(ctx)
	if err != nil {
		return err
	}
	if len(quorum.CurrentVoters) < len(k.nodes) {
		return fmt.Errorf("the metadata quorum has %d voters of %d", len(quorum.CurrentVoters), len(k.nodes))
	}
	for _, voter := range quorum.CurrentVoters {
		if voter.LogEndOffset < quorum.HighWatermark {
			return fmt.Errorf("controller %d has the metadata log up to %d of %d", voter.ReplicaID, voter.LogEndOffset, quorum.HighWatermark)
		}
	}
	return nil
}

// metadata returns what this broker knows of the cluster and of the topics, all topics when none is
// named.
func (n *node) metadata(ctx context.Context, topics ...string) (*kmsg.MetadataResponse, error) {
	response, err := n.ask(ctx, metadataRequest(topics...))
	if err != nil {
		return nil, err
	}
	metadata := response.(*kmsg.MetadataResponse)
	var all []error
	for _, topic := range metadata.Topics {
		if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
			all = append(all, fmt.Errorf("topic %s, as broker %d sees it: %w", *topic.Topic, n.ID, err))
		}
	}
	return metadata, errors.Join(all...)
}

// coordinator returns the node that this broker takes for the coordinator.
func (n *node) coordinator(ctx context.Context, kind coordinatorKind, key string) (int, error) {
	response, err := n.ask(ctx, coordinatorRequest(kind, key))
	if err != nil {
		return 0, err
	}
	return coordinatorIn(response)
}

func coordinatorIn(response kmsg.Response) (int, error) {
	found := response.(*kmsg.FindCoordinatorResponse).Coordinators
	if len(found) != 1 {
		return 0, fmt.Errorf("%d coordinators in the answer for one key", len(found))
	}
	return int(found[0].NodeID), kerr.ErrorForCode(found[0].ErrorCode)
}

// quorum returns the state of the metadata quorum. Only the active controller tells it.
func (k *Kafka) quorum(ctx context.Context) (*kmsg.DescribeQuorumResponseTopicPartition, error) {
	var all []error
	for _, n := range k.responsive() {
		response, err := n.askController(ctx, quorumRequest())
		if err != nil {
			all = append(all, err)
			continue
		}
		quorum, err := quorumIn(response)
		if err == nil {
			return quorum, nil
		}
		all = append(all, fmt.Errorf("controller %d: %w", n.ID, err))
	}
	return nil, fmt.Errorf("no controller is active: %w", errors.Join(all...))
}

func quorumIn(response kmsg.Response) (*kmsg.DescribeQuorumResponseTopicPartition, error) {
	quorum := response.(*kmsg.DescribeQuorumResponse)
	if err := kerr.ErrorForCode(quorum.ErrorCode); err != nil {
		return nil, err
	}
	if len(quorum.Topics) != 1 || len(quorum.Topics[0].Partitions) != 1 {
		return nil, errors.New("no partition in the answer")
	}
	partition := &quorum.Topics[0].Partitions[0]
	return partition, kerr.ErrorForCode(partition.ErrorCode)
}
