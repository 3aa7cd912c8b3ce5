package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/internal/retry"
)

// Offsets are places in an input topic, and the membership in whose name they are committed. The
// group refuses them from any other generation or member: that is the fence. The epoch of a
// producer is no fence: it follows the last process that initialised the id, not the owner of a
// partition.
type Offsets struct {
	Group, Topic string
	Next         map[int32]int64
	Generation   int32
	MemberID     string
	InstanceID   string
}

// unknownEpoch says that the leader's epoch is not known. Zero would be a real epoch.
const unknownEpoch = -1

// isGenerationOver reports whether the group refused offsets since it went on without this member.
func isGenerationOver(err error) bool {
	return errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.RebalanceInProgress)
}

// unknownBroker is franz-go's error for a broker that the metadata do not list because it is down:
// a coordinator whose successor is not elected yet. The error has no exported name.
const unknownBroker = "unknown broker"

// isForNow reports errors that go away by themselves: of coordinators that move or load, and of the
// network. Every request that is repeated after them has the same effect when it is done twice.
func isForNow(err error) bool {
	if err == nil {
		return false
	}
	// closed is a broker's that died between connection and answer
	dial, closed := (*net.OpError)(nil), (*kgo.ErrFirstReadEOF)(nil)
	if errors.As(err, &closed) || errors.Is(err, errNoAnswer) || kgo.IsRetryableBrokerErr(err) || errors.As(err, &dial) && dial.Op == "dial" || strings.Contains(err.Error(), unknownBroker) {
		return true
	}
	return errors.Is(err, kerr.ConcurrentTransactions) || errors.Is(err, kerr.CoordinatorLoadInProgress) ||
		errors.Is(err, kerr.CoordinatorNotAvailable) || errors.Is(err, kerr.NotCoordinator) || errors.Is(err, kerr.RequestTimedOut) ||
		errors.Is(err, kerr.UnstableOffsetCommit) || errors.Is(err, kerr.NotEnoughReplicas) || errors.Is(err, kerr.NotEnoughReplicasAfterAppend)
}

// patiently repeats f while it fails for now, with growing pauses from a millisecond on, until ctx
// ends.
func patiently(ctx context.Context, f func() error) (err error) {
	for range retry.Attempts(ctx, time.Millisecond, 100*time.Millisecond) {
		if err = f(); err == nil || !isForNow(err) {
			return err
		}
	}
	return fmt.Errorf("%w (last answer: %w)", ctx.Err(), err)
}

// sendOffsets adds the offsets to the open transaction. franz-go would do so only for its own
// groups, so the requests are written by hand. There is one, and under transactions V1 another
// before it that adds the group.
func (t *franzTxn) sendOffsets(ctx context.Context, o Offsets) error {
	id, epoch, err := t.client.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("producer id: %w", err)
	}
	if t.protocol == transactionsV1 {
		err := t.ask(ctx, func(ctx context.Context, client kmsg.Requestor) error {
			req := kmsg.NewPtrAddOffsetsToTxnRequest()
			req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = t.id, id, epoch, o.Group
			resp, err := req.RequestWith(ctx, client)
			if err != nil {
				return err
			}
			return kerr.ErrorForCode(resp.ErrorCode)
		})
		if err != nil {
			return fmt.Errorf("add the group to the transaction: %w", err)
		}
	}
	return t.ask(ctx, func(ctx context.Context, client kmsg.Requestor) error {
		return t.sendTxnOffsetCommit(ctx, client, o, id, epoch)
	})
}

func (t *franzTxn) sendTxnOffsetCommit(ctx context.Context, client kmsg.Requestor, o Offsets, id int64, epoch int16) error {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = t.id, id, epoch, o.Group
	o.fence(&req.Generation, &req.MemberID, &req.InstanceID)
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic = o.Topic
	for partition, next := range o.Next {
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch = partition, next, unknownEpoch
		topic.Partitions = append(topic.Partitions, p)
	}
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if resp.Version < 3 {
		return errors.New("the brokers take offsets without a generation only (Kafka before 2.5): fencing is impossible")
	}
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("partition %d: %w", p.Partition, err)
			}
		}
	}
	return nil
}

// fence puts the membership into a request.
func (o Offsets) fence(generation *int32, memberID *string, instanceID **string) {
	*generation, *memberID = o.Generation, o.MemberID
	if o.InstanceID != "" {
		*instanceID = kmsg.StringPtr(o.InstanceID)
	}
}

// CommitOffsets is in [Txn].
func (t *franzTxn) CommitOffsets(ctx context.Context, o Offsets) error {
	err := t.ask(ctx, func(ctx context.Context, client kmsg.Requestor) error { return commitOffsets(ctx, client, o) })
	if err != nil && isGenerationOver(err) {
		return fmt.Errorf("%w: %w", errGenerationOver, err)
	}
	return fail(CauseTransaction, err)
}

func commitOffsets(ctx context.Context, client kmsg.Requestor, o Offsets) error {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group = o.Group
	o.fence(&req.Generation, &req.MemberID, &req.InstanceID)
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = o.Topic
	for partition, next := range o.Next {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch = partition, next, unknownEpoch
		topic.Partitions = append(topic.Partitions, p)
	}
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("partition %d: %w", p.Partition, err)
			}
		}
	}
	return nil
}
