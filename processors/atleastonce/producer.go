package atleastonce

import (
	"context"
	"fmt"
	"hash"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/record"
)

// closeTimeout bounds how long closing waits for what is on its way. There is no bound before that: an outage is waited out. (The client's own
// bound would count from a record's timestamp, which for an event is as old as its command.)
const closeTimeout = time.Minute

// linger lets the records of a step leave in one request; without it each would be a request of its own.
const linger = time.Millisecond

// producer is Goka's producer on franz-go: idempotent, acks=all, murmur2, and with a record's own timestamp.
type producer struct{ client *kgo.Client }

func newProducer(c cluster.Config) (*producer, error) {
	opts, err := c.Franz()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(opts, kgo.ProducerLinger(linger))...)
	if err != nil {
		return nil, fmt.Errorf("kafka producer: %w", err)
	}
	return &producer{client}, nil
}

// builder returns the producer to Goka, which closes it when a processor ends. The runner owns it, so that is ignored.
func (p *producer) builder() goka.ProducerBuilder {
	return func([]string, string, func() hash.Hash32) (goka.Producer, error) { return borrowed{p}, nil }
}

type borrowed struct{ *producer }

func (borrowed) Close() error { return nil }

// produce writes one record and reports its acknowledgement.
func (p *producer) produce(r *record.Record, done func(error)) {
	out := &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}
	p.client.Produce(context.Background(), out, func(_ *kgo.Record, err error) {
		if err != nil {
			err = fmt.Errorf("write to %s: %w", r.Topic, err)
		}
		done(err)
	})
}

// Emit is Goka's.
func (p *producer) Emit(topic, key string, value []byte) *goka.Promise {
	return p.EmitWithHeaders(topic, key, value, nil)
}

// EmitWithHeaders is Goka's.
func (p *producer) EmitWithHeaders(topic, key string, value []byte, headers goka.Headers) *goka.Promise {
	promise, finish := goka.NewPromiseWithFinisher()
	out := &kgo.Record{Topic: topic, Key: []byte(key), Value: value}
	for name, content := range headers {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: name, Value: content})
	}
	p.client.Produce(context.Background(), out, func(written *kgo.Record, err error) {
		finish(&sarama.ProducerMessage{Topic: written.Topic, Partition: written.Partition, Offset: written.Offset}, err)
	})
	return promise
}

// Close waits for what is on its way and closes the connection.
func (p *producer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := p.client.Flush(ctx)
	p.client.Close()
	return err
}
