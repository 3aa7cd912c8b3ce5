package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/topology"
)

// errSimNetwork is what a caller sees of a request that was lost, or whose answer was: it cannot
// tell which.
var errSimNetwork = &net.OpError{Op: "dial", Err: errors.New("the connection broke")}

// call is one request to the brokers. Others may go on before it takes effect and before it is
// answered, and either way may be lost.
func (s *sim) call(ctx context.Context, what string, effect func() error) error {
	s.yield(what)
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.fault(s.faults.lost) {
		s.stats.lostRequests++
		s.log("%s: the request is lost", what)
		return errSimNetwork
	}
	err := effect()
	if s.tracing {
		s.log("%s: %v", what, err)
	}
	if s.chance(250) {
		s.yield("the answer")
	}
	if s.fault(s.faults.lost) {
		s.stats.lostResponses++
		s.log("%s: the answer is lost", what)
		return errSimNetwork
	}
	return err
}

// retry repeats what the client library repeats by itself: lost requests, mostly until one is
// answered, and coordinators that are busy.
func (s *sim) retry(ctx context.Context, f func() error) error {
	for {
		err := f()
		switch {
		case errors.Is(err, errSimNetwork) && s.chance(600):
		case errors.Is(err, kerr.ConcurrentTransactions):
		default:
			return err
		}
		if ctx.Err() != nil {
			return err
		}
	}
}

// simKafka is what restoring and fencing see of the brokers.
type simKafka struct{ p *simProcess }

func (k simKafka) ahead(_ context.Context, chunks iter.Seq[chunk]) iter.Seq[chunk] { return chunks }

func (k simKafka) committed(ctx context.Context, topic string, partition int32, at int64) (c chunk, err error) {
	s := k.p.sim
	err = s.call(ctx, "fetch for a restore", func() error {
		p := s.brokers.partition(topic, partition)
		records, next, err := p.read(at, 1+s.rng.IntN(8))
		c = chunk{records: records, next: next, stable: p.stable(), empty: next == at}
		if s.tracing {
			s.log("%s/%d from %d: %d records, next %d", topic, partition, at, len(records), next)
		}
		return err
	})
	return c, err
}

func (k simKafka) writers(ctx context.Context, topic string, partition int32) (producers []int64, err error) {
	s := k.p.sim
	err = s.call(ctx, "describe producers", func() error {
		p := s.brokers.partition(topic, partition)
		for _, t := range s.brokers.txnOrder {
			if _, open := p.open[t.producer]; open {
				producers = append(producers, t.producer)
			}
		}
		return nil
	})
	return producers, err
}

func (k simKafka) transactions(ctx context.Context, producers []int64) (ids []string, err error) {
	s := k.p.sim
	err = s.call(ctx, "list transactions", func() error {
		for _, t := range s.brokers.txnOrder {
			wanted := producers == nil
			for _, p := range producers {
				wanted = wanted || p == t.producer
			}
			if wanted && t.state == txnOngoing {
				ids = append(ids, t.id)
			}
		}
		return nil
	})
	return ids, err
}

func (k simKafka) transaction(ctx context.Context, id string) (producer int64, epoch int16, open bool, err error) {
	s := k.p.sim
	err = s.call(ctx, "describe a transaction", func() error {
		producer, epoch = -1, -1
		if t := s.brokers.txns[id]; t != nil {
			producer, epoch, open = t.producer, t.epoch, t.state == txnOngoing
		}
		return nil
	})
	return producer, epoch, open, err
}

func (k simKafka) members(ctx context.Context, group string) (ids []string, err error) {
	s := k.p.sim
	err = s.call(ctx, "describe the group", func() error {
		for _, m := range s.brokers.group.members {
			ids = append(ids, instanceID(group, m.instance))
		}
		return nil
	})
	return ids, err
}

func (k simKafka) identity(ctx context.Context, topic string) (id string, _ time.Duration, err error) {
	s := k.p.sim
	err = s.retry(ctx, func() error {
		return s.call(ctx, "topic id", func() error {
			id = s.brokers.topics[topic].id
			return nil
		})
	})
	return id, simDeleteRetention, err
}

// Request is in [kmsg.Requestor].
func (k simKafka) Request(ctx context.Context, request kmsg.Request) (kmsg.Response, error) {
	s := k.p.sim
	switch r := request.(type) {
	case *kmsg.ListOffsetsRequest:
		resp := r.ResponseKind().(*kmsg.ListOffsetsResponse)
		err := s.call(ctx, "list offsets", func() error {
			topic, asked := r.Topics[0].Topic, r.Topics[0].Partitions[0]
			p := s.brokers.partition(topic, asked.Partition)
			answer := kmsg.NewListOffsetsResponseTopicPartition()
			switch {
			case asked.Timestamp == -2:
				answer.Offset = p.start
			case r.IsolationLevel == readCommitted:
				answer.Offset = p.stable()
			default:
				answer.Offset = p.end
			}
			if s.tracing {
				s.log("%s/%d at %d, isolation %d: %d", topic, asked.Partition, asked.Timestamp, r.IsolationLevel, answer.Offset)
			}
			resp.Topics = []kmsg.ListOffsetsResponseTopic{{Topic: topic, Partitions: []kmsg.ListOffsetsResponseTopicPartition{answer}}}
			return nil
		})
		return resp, err
	case *kmsg.OffsetFetchRequest:
		resp := r.ResponseKind().(*kmsg.OffsetFetchResponse)
		err := s.call(ctx, "fetch offsets", func() error {
			topic := kmsg.NewOffsetFetchResponseTopic()
			topic.Topic = r.Topics[0].Topic
			for _, partition := range r.Topics[0].Partitions {
				answer := kmsg.NewOffsetFetchResponseTopicPartition()
				answer.Partition = partition
				if r.RequireStable && s.brokers.group.unstable(partition) {
					answer.ErrorCode = kerr.UnstableOffsetCommit.Code
				}
				topic.Partitions = append(topic.Partitions, answer)
			}
			resp.Topics = append(resp.Topics, topic)
			return nil
		})
		return resp, err
	case *kmsg.InitProducerIDRequest:
		resp := r.ResponseKind().(*kmsg.InitProducerIDResponse)
		err := s.call(ctx, "initialise another's id", func() error {
			resp.ErrorCode = simCode(s.brokers.initialiseFor(*r.TransactionalID, r.ProducerID, r.ProducerEpoch))
			return nil
		})
		return resp, err
	}
	return nil, fmt.Errorf("the simulation has no %T", request)
}

func simCode(err error) int16 {
	if known := (*kerr.Error)(nil); errors.As(err, &known) {
		return known.Code
	}
	return 0
}

// simProducer is franz-go's transactional client as far as franzTxn uses it.
type simProducer struct {
	p        *simProcess
	id       string
	protocol protocol
	number   int64
	epoch    int16
	loaded   bool
	err      error // for good
	open     bool
	used     bool // the transaction has records
	buffer   []simBuffered
}

type simBuffered struct {
	*kgo.Record
	promise func(*kgo.Record, error)
}

func (c *simProducer) Close() {}

// protocol is that of the brokers: the second version of transactions with two seeds of four.
func (s *sim) protocol() protocol { return transactionsV1 + protocol(s.seed/2%2) }

// DiscoveredBrokers are one with every other seed, else several.
func (c *simProducer) DiscoveredBrokers() []*kgo.Broker {
	return make([]*kgo.Broker, 1+2*(c.p.sim.seed%2))
}

// ProducerID initialises the transactional id if that is not done, or no longer known to be
// good.
func (c *simProducer) ProducerID(ctx context.Context) (int64, int16, error) {
	if c.err != nil {
		return 0, 0, c.err
	}
	if !c.loaded {
		s := c.p.sim
		err := s.retry(ctx, func() error {
			return s.call(ctx, "initialise", func() (err error) {
				c.number, c.epoch, err = s.brokers.initialise(c.id)
				return err
			})
		})
		if err != nil {
			return 0, 0, err
		}
		c.loaded = true
	}
	return c.number, c.epoch, nil
}

func (c *simProducer) BeginTransaction() error {
	if c.err != nil {
		return c.err
	}
	if c.open {
		return errors.New("invalid attempt to begin a transaction while one is in progress")
	}
	c.open, c.used, c.buffer = true, false, nil
	return nil
}

func (c *simProducer) Produce(_ context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	c.buffer = append(c.buffer, simBuffered{r, promise})
}

// Flush writes what is buffered, a batch for each partition.
func (c *simProducer) Flush(ctx context.Context) error {
	s := c.p.sim
	byPartition := map[*simPartition][]simBuffered{}
	var order []*simPartition
	for _, r := range c.buffer {
		number := r.Partition
		if number < 0 {
			number = topology.PartitionOf(r.Key, len(s.brokers.topics[r.Topic].partitions))
		}
		p := s.brokers.partition(r.Topic, number)
		if byPartition[p] == nil {
			order = append(order, p)
		}
		byPartition[p] = append(byPartition[p], r)
	}
	c.buffer = nil
	s.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, p := range order {
		batch := byPartition[p]
		first, err := c.write(ctx, p, batch)
		for i, r := range batch {
			if err == nil {
				r.Partition, r.Offset = p.number, max(first, 0)
				if first >= 0 {
					r.Offset = first + int64(i)
				}
			}
			r.promise(r.Record, err)
		}
	}
	return ctx.Err()
}

// write adds a partition to the transaction and writes a batch to it, and returns its offset, or -1
// where the brokers had the batch already: their answer to a repetition does not say where.
func (c *simProducer) write(ctx context.Context, p *simPartition, batch []simBuffered) (first int64, err error) {
	s := c.p.sim
	id, epoch, err := c.ProducerID(ctx)
	if err != nil {
		return 0, err
	}
	if c.protocol == transactionsV1 {
		err = s.retry(ctx, func() error {
			return s.call(ctx, "add a partition", func() error { return s.brokers.add(c.id, id, epoch, p) })
		})
		if err != nil {
			return 0, c.failed(err)
		}
	}
	c.used = true
	written := false
	err = s.retry(ctx, func() error {
		return s.call(ctx, "produce", func() error {
			if written {
				first = -1
				return nil
			}
			records := make([]*kgo.Record, len(batch))
			for i := range batch {
				records[i] = batch[i].Record
			}
			first, err = s.brokers.produce(c.id, id, epoch, p, records, c.protocol)
			written = err == nil
			if s.tracing {
				for i, r := range records {
					s.log("  %s/%d/%d %q = %q", p.topic, p.number, first+int64(i), r.Key, r.Value)
				}
			}
			return err
		})
	})
	return first, c.failed(err)
}

// failed notes answers after which the client cannot be used.
func (c *simProducer) failed(err error) error {
	if known := (*kerr.Error)(nil); errors.As(err, &known) && !known.Retriable {
		c.err = err
	}
	return err
}

func (c *simProducer) EndTransaction(ctx context.Context, commit kgo.TransactionEndTry) error {
	if !c.open {
		return nil
	}
	if !c.used {
		c.open = false
		return nil
	}
	s := c.p.sim
	id, epoch, err := c.ProducerID(ctx)
	if err != nil {
		return kerr.OperationNotAttempted
	}
	err = s.retry(ctx, func() error {
		return s.call(ctx, "end the transaction", func() (err error) {
			c.epoch, err = s.brokers.end(c.id, id, epoch, bool(commit), c.protocol)
			return err
		})
	})
	if err != nil {
		// Nobody knows how it ended. The next use initialises the id anew.
		c.loaded = false
		return c.failed(err)
	}
	c.open = false
	return nil
}

// Request is in [kmsg.Requestor].
func (c *simProducer) Request(ctx context.Context, request kmsg.Request) (kmsg.Response, error) {
	s := c.p.sim
	instance := func(id *string) string {
		if id == nil {
			return ""
		}
		return (*id)[:1]
	}
	switch r := request.(type) {
	case *kmsg.AddPartitionsToTxnRequest:
		resp := r.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
		err := s.call(ctx, "add all partitions", func() error {
			for _, t := range r.Topics {
				topic := kmsg.NewAddPartitionsToTxnResponseTopic()
				topic.Topic = t.Topic
				for _, number := range t.Partitions {
					answer := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
					answer.Partition = number
					answer.ErrorCode = simCode(s.brokers.add(r.TransactionalID, r.ProducerID, r.ProducerEpoch, s.brokers.partition(t.Topic, number)))
					topic.Partitions = append(topic.Partitions, answer)
				}
				resp.Topics = append(resp.Topics, topic)
			}
			return nil
		})
		return resp, err
	case *kmsg.AddOffsetsToTxnRequest:
		resp := r.ResponseKind().(*kmsg.AddOffsetsToTxnResponse)
		err := s.call(ctx, "add offsets", func() error {
			resp.ErrorCode = simCode(s.brokers.add(r.TransactionalID, r.ProducerID, r.ProducerEpoch, nil))
			return nil
		})
		return resp, err
	case *kmsg.TxnOffsetCommitRequest:
		resp := r.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
		resp.SetVersion(4)
		err := s.call(ctx, "send offsets", func() error {
			var err error
			if c.protocol == transactionsV2 {
				err = s.brokers.add(r.TransactionalID, r.ProducerID, r.ProducerEpoch, nil)
			}
			var t *simTxn
			if err == nil {
				t, err = s.brokers.holder(r.TransactionalID, r.ProducerID, r.ProducerEpoch)
			}
			if err == nil && (t.state != txnOngoing || !t.offsets) {
				err = kerr.InvalidTxnState
			}
			offsets := map[int32]int64{}
			for _, p := range r.Topics[0].Partitions {
				offsets[p.Partition] = p.Offset
			}
			if err == nil {
				err = s.brokers.group.commit(r.ProducerID, instance(r.InstanceID), r.MemberID, r.Generation, offsets)
			}
			topic := kmsg.NewTxnOffsetCommitResponseTopic()
			for partition := range offsets {
				answer := kmsg.NewTxnOffsetCommitResponseTopicPartition()
				answer.Partition, answer.ErrorCode = partition, simCode(err)
				topic.Partitions = append(topic.Partitions, answer)
				break
			}
			resp.Topics = append(resp.Topics, topic)
			s.log("offsets %v of %s in generation %d: %v", offsets, r.MemberID, r.Generation, err)
			return nil
		})
		return resp, err
	case *kmsg.EndTxnRequest:
		resp := r.ResponseKind().(*kmsg.EndTxnResponse)
		err := s.call(ctx, "end the transaction, asked again", func() error {
			s.stats.endsAsked++
			_, err := s.brokers.end(r.TransactionalID, r.ProducerID, r.ProducerEpoch, r.Commit, c.protocol)
			resp.ErrorCode = simCode(err)
			return nil
		})
		return resp, err
	case *kmsg.OffsetCommitRequest:
		resp := r.ResponseKind().(*kmsg.OffsetCommitResponse)
		err := s.call(ctx, "commit offsets", func() error {
			offsets := map[int32]int64{}
			for _, p := range r.Topics[0].Partitions {
				offsets[p.Partition] = p.Offset
			}
			err := s.brokers.group.commit(-1, instance(r.InstanceID), r.MemberID, r.Generation, offsets)
			topic := kmsg.NewOffsetCommitResponseTopic()
			answer := kmsg.NewOffsetCommitResponseTopicPartition()
			answer.ErrorCode = simCode(err)
			topic.Partitions = append(topic.Partitions, answer)
			resp.Topics = append(resp.Topics, topic)
			s.log("offsets %v of %s in generation %d: %v", offsets, r.MemberID, r.Generation, err)
			return nil
		})
		return resp, err
	}
	return nil, fmt.Errorf("the simulation has no %T", request)
}
