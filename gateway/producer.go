package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
)

// producer writes commands to the log. It is safe for concurrent use.
type producer struct {
	client *kgo.Client
	// patience is how long a record may wait to be written before it is given up.
	patience time.Duration
	// sent counts the produce requests that were sent at least in part, unanswered those that never
	// got an answer.
	sent, unanswered atomic.Int64
}

// newProducer connects lazily: an unreachable cluster is found by the first command.
func newProducer(config cluster.Config, patience time.Duration) (*producer, error) {
	opts, err := config.Franz()
	if err != nil {
		return nil, err
	}
	p := &producer{patience: patience}
	opts = append(opts,
		kgo.WithHooks(p),
		kgo.RecordDeliveryTimeout(patience),
		// Without it a record whose answer was lost would wait for ever, hold up everything for its
		// partition, and be executed whenever the brokers come back. Given up and sent again by its
		// client it may be in the log twice, which its command id makes harmless.
		kgo.AllowIdempotentProduceCancellation(),
		// Metadata must be found missing well within the patience, or a record that was never sent
		// would be held back by a request that nobody answers.
		kgo.DialTimeout(max(patience/2, time.Second)),
		kgo.RetryTimeout(max(patience/2, time.Second)),
		kgo.RequestTimeoutOverhead(max(patience, time.Second)),
		kgo.ProduceRequestTimeout(patience),
	)
	if p.client, err = kgo.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("make the producer of commands: %w", err)
	}
	return p, nil
}

// close gives up the writes that are still under way.
func (p *producer) close() { p.client.Close() }

// append writes the record and returns when all in-sync replicas have it; its partition and offset
// are then set. An error is or wraps ErrNothingWritten, ErrTooLarge or ErrMayBeWritten. The
// end of ctx ends the wait, not the writing: cancelling a record fails every record that waits for
// the same partition, and those are other clients'. The record itself is given up after the log's
// patience, so that nothing is executed long after its client stopped waiting.
func (p *producer) append(ctx context.Context, record *kgo.Record) error {
	sentBefore, unansweredBefore := p.sent.Load(), p.unanswered.Load()
	patience, cancel := context.WithTimeout(context.Background(), p.patience)
	done := make(chan error, 1)
	p.client.Produce(patience, record, func(_ *kgo.Record, err error) {
		cancel()
		done <- err
	})
	select {
	case err := <-done:
		if err == nil && record.Offset < 0 { // the broker knows it as written but no longer where
			return fmt.Errorf("%w: at an offset that the broker no longer knows", ErrMayBeWritten)
		}
		return judge(err, p.sent.Load() != sentBefore, p.unanswered.Load() != unansweredBefore)
	case <-ctx.Done():
		return fmt.Errorf("%w: no acknowledgement in time: %w", ErrMayBeWritten, context.Cause(ctx))
	}
}

const produceKey = 0 // the Produce request in Kafka's protocol

// OnBrokerWrite counts requests that went out.
func (p *producer) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, bytesWritten int, _, _ time.Duration, _ error) {
	if key == produceKey && bytesWritten > 0 {
		p.sent.Add(1)
	}
}

// OnBrokerE2E counts requests that went out and were not answered.
func (p *producer) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	if key == produceKey && e2e.Err() != nil && e2e.BytesWritten > 0 {
		p.unanswered.Add(1)
	}
}

// judge interprets a failure to write. sent and unanswered say that a produce request went out, or
// ended without an answer, while the record waited.
//
// The client does not say which records a request had, and it gives up a record after an attempt
// that may have arrived just as after none. So a record is known to be absent only in two cases. No
// request at all went out in its time. Or the brokers' last word on it was a final refusal and none
// of its attempts can have been lost. Everything else is uncertain, which is always safe to say:
// the client sends the same command id again.
func judge(err error, sent, unanswered bool) error {
	if err == nil {
		return nil
	}
	verdict := ErrMayBeWritten
	var refused *kerr.Error
	switch {
	// requests may be going out right now
	case errors.Is(err, kgo.ErrClientClosed), errors.Is(err, kgo.ErrAborting):
	case errors.Is(err, kerr.MessageTooLarge) && !unanswered:
		verdict = ErrTooLarge
	case !sent:
		verdict = ErrNothingWritten
	case errors.As(err, &refused) && slices.Contains(refusals, refused) && !unanswered:
		verdict = ErrNothingWritten
	}
	return fmt.Errorf("%w: %w", verdict, err)
}

// refusals are the final answers that say for certain that nothing was appended. Those that the
// client tries again end as a timeout, which says nothing of the kind:
// NOT_ENOUGH_REPLICAS_AFTER_APPEND is one of them.
var refusals = []*kerr.Error{
	kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InvalidTopicException, kerr.InvalidRequiredAcks, kerr.TopicAuthorizationFailed,
	kerr.ClusterAuthorizationFailed, kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.PolicyViolation, kerr.UnsupportedForMessageFormat,
	kerr.UnsupportedCompressionType,
}
