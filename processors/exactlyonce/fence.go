package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/internal/retry"
)

// A member that died may leave a transaction open. Its successor need not wait until the brokers
// abort it, which takes the transaction timeout and up to ten seconds. Initialising the dead
// owner's transactional id aborts it at once. That is safe: every live member ended its
// transactions before it joined the generation that gave the partition away.

// fenceTable aborts the open transactions of other instances of this group on a partition of its
// table or index. It returns how many.
func (e *engine) fenceTable(ctx context.Context, topic string, partition int32) (int, error) {
	producers, err := e.kafka.writers(ctx, topic, partition)
	if err != nil {
		return 0, fmt.Errorf("describe the producers of %s, partition %d: %w", topic, partition, err)
	}
	if len(producers) == 0 {
		return 0, nil
	}
	ids, err := e.ongoing(ctx, producers)
	if err != nil {
		return 0, err
	}
	var fenced int
	for _, id := range ids {
		if instanceOf(e.config.TransactionalIDPrefix, e.group.Name, id) == e.config.Instance {
			continue // our own, which are initialised
		}
		was, err := e.fence(ctx, id)
		if err != nil {
			return fenced, err
		}
		if was {
			fenced++
			e.log.Info("aborted the open transaction of an owner that is gone", "transactional_id", id, "topic", topic, "partition", partition)
		}
	}
	return fenced, nil
}

// ongoing returns the ids of the group's open transactions, of certain producers or of all.
func (e *engine) ongoing(ctx context.Context, producers []int64) ([]string, error) {
	listed, err := e.kafka.transactions(ctx, producers)
	if err != nil {
		return nil, fmt.Errorf("list open transactions: %w", err)
	}
	var ids []string
	for _, id := range listed {
		if instanceOf(e.config.TransactionalIDPrefix, e.group.Name, id) != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// fence begins to abort the open transaction of another instance's transactional id: its holder
// cannot commit it any more. It reports whether there was one. The owner may come back at any
// moment and initialise the id itself, and must not be fenced then. So the id is initialised for
// the producer that was seen (KIP-360), and once only. Callers that wait for the abort look again.
func (e *engine) fence(ctx context.Context, id string) (bool, error) {
	producer, epoch, open, err := e.kafka.transaction(ctx, id)
	if err != nil || !open {
		return false, err
	}
	switch err := e.initialise(ctx, id, producer, epoch); {
	case err == nil, errors.Is(err, kerr.ConcurrentTransactions): // the abort is under way
		return true, nil
	case isFenced(err): // it is back
		return false, nil
	default:
		return false, fmt.Errorf("fence transactional id %s: %w", id, err)
	}
}

// initialise asks once for a transactional id to be initialised: unconditionally, or only for a
// producer and epoch that still hold it.
func (e *engine) initialise(ctx context.Context, id string, producer int64, epoch int16) error {
	if !strings.HasPrefix(id, transactionalIDs(e.config.TransactionalIDPrefix, e.group.Name)) {
		return fmt.Errorf("transactional id %s is not of group %s", id, e.group.Name)
	}
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis = kmsg.StringPtr(id), int32(e.config.TransactionTimeout.Milliseconds())
	req.ProducerID, req.ProducerEpoch = producer, epoch
	resp, err := req.RequestWith(ctx, e.kafka)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}

// clearTheWay aborts the open transactions of members that are gone: no reader gets past their
// records, on any topic, until these transactions end. It runs beside sarama, which asks for the
// offsets of an assignment before setup, and goes on until those are stable or ctx ends.
func (e *engine) clearTheWay(ctx context.Context, partitions []int32) {
	if err := patiently(ctx, func() error { return e.fenceGone(ctx) }); err != nil && ctx.Err() == nil {
		e.log.Warn("cannot abort the open transactions of members that are gone; readers wait for the brokers to do so", "error", err)
	}
	for range retry.Attempts(ctx, 20*time.Millisecond, time.Second) {
		unstable, err := e.offsetsUnstable(ctx, partitions)
		if err == nil && !unstable {
			return
		}
		if unstable {
			e.state("waiting for a transaction that holds the group's offsets")
			if err := e.fenceGone(ctx); err != nil && ctx.Err() == nil {
				e.log.Warn("cannot abort the open transactions of members that are gone; waiting for the brokers to do so", "error", err)
			}
		}
	}
}

// offsetsUnstable reports whether a transaction may still change the group's offsets.
func (e *engine) offsetsUnstable(ctx context.Context, partitions []int32) (bool, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group, req.RequireStable = e.group.Name, true
	topic := kmsg.NewOffsetFetchRequestTopic()
	topic.Topic, topic.Partitions = e.group.Input, partitions
	req.Topics = append(req.Topics, topic)
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = e.group.Name
	groupTopic := kmsg.NewOffsetFetchRequestGroupTopic()
	groupTopic.Topic, groupTopic.Partitions = e.group.Input, partitions
	group.Topics = append(group.Topics, groupTopic)
	req.Groups = append(req.Groups, group)
	resp, err := req.RequestWith(ctx, e.kafka)
	if err != nil {
		return false, err
	}
	codes := []int16{resp.ErrorCode}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			codes = append(codes, p.ErrorCode)
		}
	}
	for _, g := range resp.Groups {
		codes = append(codes, g.ErrorCode)
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				codes = append(codes, p.ErrorCode)
			}
		}
	}
	for _, code := range codes {
		switch err := kerr.ErrorForCode(code); {
		case errors.Is(err, kerr.UnstableOffsetCommit):
			return true, nil
		case err != nil:
			return false, err
		}
	}
	return false, nil
}

// fenceGone aborts the group's open transactions whose instances are not among its members. Those
// of members are about to end anyway.
func (e *engine) fenceGone(ctx context.Context) error {
	ids, err := e.ongoing(ctx, nil)
	if err != nil || len(ids) == 0 {
		return err
	}
	members, err := e.kafka.members(ctx, e.group.Name)
	if err != nil {
		return fmt.Errorf("describe group %s: %w", e.group.Name, err)
	}
	member := map[string]bool{e.config.Instance: true}
	for _, id := range members {
		member[strings.TrimSuffix(id, "."+e.group.Name)] = true
	}
	for _, id := range ids {
		if member[instanceOf(e.config.TransactionalIDPrefix, e.group.Name, id)] {
			continue
		}
		was, err := e.fence(ctx, id)
		if err != nil {
			return err
		}
		if was {
			e.log.Info("aborted the open transaction of a member that is gone", "transactional_id", id)
		}
	}
	return nil
}
