package kafkatest

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Leader returns the node that leads a partition. While there is none, it waits as long as ctx
// allows. It is asked of brokers that run and are not frozen; just after a fault they may still
// name the node that was hit.
func (k *Kafka) Leader(ctx context.Context, topic string, partition int32) (id int, err error) {
	err = poll(ctx, fmt.Sprintf("find the leader of %s/%d", topic, partition), func(ctx context.Context) error {
		response, err := k.ask(ctx, metadataRequest(topic))
		if err != nil {
			return err
		}
		for _, t := range response.(*kmsg.MetadataResponse).Topics {
			for _, p := range t.Partitions {
				if p.Partition == partition && p.Leader >= 0 {
					id = int(p.Leader)
					return nil
				}
			}
		}
		return fmt.Errorf("no leader of %s/%d is known", topic, partition)
	})
	return id, err
}

// GroupCoordinator returns the node that coordinates a consumer group; as for [Kafka.Leader].
func (k *Kafka) GroupCoordinator(ctx context.Context, group string) (int, error) {
	return k.coordinator(ctx, ofGroup, group, "group "+group)
}

// TxnCoordinator returns the node that coordinates the transactions of a transactional id; as for
// [Kafka.Leader].
func (k *Kafka) TxnCoordinator(ctx context.Context, transactionalID string) (int, error) {
	return k.coordinator(ctx, ofTransaction, transactionalID, "transactional id "+transactionalID)
}

func (k *Kafka) coordinator(ctx context.Context, kind coordinatorKind, key, what string) (id int, err error) {
	err = poll(ctx, "find the coordinator of "+what, func(ctx context.Context) error {
		response, err := k.ask(ctx, coordinatorRequest(kind, key))
		if err == nil {
			id, err = coordinatorIn(response)
		}
		return err
	})
	return id, err
}

// Controller returns the node whose controller is the active one; as for [Kafka.Leader].
func (k *Kafka) Controller(ctx context.Context) (id int, err error) {
	err = poll(ctx, "find the active controller", func(ctx context.Context) error {
		quorum, err := k.quorum(ctx)
		if err != nil {
			return err
		}
		id = int(quorum.LeaderID)
		return nil
	})
	return id, err
}
