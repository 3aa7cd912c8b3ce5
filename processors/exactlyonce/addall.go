package exactlyonce

import (
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// addAll adds all partitions of a transaction by one request, if there are several brokers.
// Otherwise franz-go sends a request for each broker, all at the same time, and under transactions
// V2 the brokers themselves do. While the coordinator has one of these written down, which takes as
// long as its followers do, it refuses the others with CONCURRENT_TRANSACTIONS, and they come again
// and again: 25 to 32 requests for a transaction on three busy brokers. If a partition is in the
// transaction already, the coordinator answers at once
// (TransactionCoordinator.handleAddPartitionsToTransaction in Apache Kafka).
//
// An error means that the request got no answer: nobody knows whether the partitions were added, or
// will be, and the id must be initialised anew. Other refusals of the coordinator meet franz-go's
// own requests, too, and are reported there.
func (t *franzTxn) addAll(ctx context.Context, w *Work) error {
	if len(t.client.DiscoveredBrokers()) < 2 {
		return nil
	}
	topics := w.partitions(t.partitions)
	if len(topics) == 0 {
		return nil
	}
	id, epoch, err := t.client.ProducerID(ctx)
	if err != nil {
		return failf(CauseTransaction, "add the partitions of a transaction of %s: %w", t.id, err)
	}
	var broken error
	err = t.inTime(ctx, func(ctx context.Context) error {
		return patiently(ctx, func() error {
			req := kmsg.NewPtrAddPartitionsToTxnRequest()
			req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Topics = t.id, id, epoch, topics
			var resp *kmsg.AddPartitionsToTxnResponse
			if resp, broken = req.RequestWith(ctx, t.client); broken == nil && isConcurrent(resp) {
				return kerr.ConcurrentTransactions
			}
			return nil
		})
	})
	if err = errors.Join(err, broken); err != nil {
		return failf(CauseTransaction, "add the partitions of a transaction of %s: %w", t.id, err)
	}
	return nil
}

// isConcurrent reports whether the id's last transaction has not quite ended.
func isConcurrent(resp *kmsg.AddPartitionsToTxnResponse) bool {
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			if p.ErrorCode == kerr.ConcurrentTransactions.Code {
				return true
			}
		}
	}
	return false
}

// partitions returns the partitions of the outputs, by topic.
func (w *Work) partitions(count int) []kmsg.AddPartitionsToTxnRequestTopic {
	var topics []kmsg.AddPartitionsToTxnRequestTopic
	at := map[string]int{}
	for _, run := range w.Outputs {
		for i := range run {
			r := &run[i]
			n, known := at[r.Topic]
			if !known {
				n = len(topics)
				at[r.Topic] = n
				topic := kmsg.NewAddPartitionsToTxnRequestTopic()
				topic.Topic = r.Topic
				topics = append(topics, topic)
			}
			if number := int32(partitionOf(r, count)); !slices.Contains(topics[n].Partitions, number) {
				topics[n].Partitions = append(topics[n].Partitions, number)
			}
		}
	}
	return topics
}
