package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/schemas"
)

// outcomePatience is how long the outcome of a written command may take.
const outcomePatience = time.Minute

// CommandLog sends commands to one aggregate type straight through Kafka, without the HTTP
// interface, and waits for their outcomes. It is safe for concurrent use.
type CommandLog struct {
	aggregate string
	topic     string
	codec     *codecs.Aggregate
	client    *kgo.Client
	stop      context.CancelFunc
	stopped   chan struct{}

	mu      sync.Mutex
	waiting map[commandKey]chan answered
	failed  error // why no outcome can be read any more
}

type commandKey struct{ aggregateID, commandID string }

// answered is an outcome with the place of the record that it answers.
type answered struct {
	outcome foldlog.Outcome
	cause   string
}

// OpenCommandLog connects to Kafka and the schema registry. It needs the flags [KafkaFlags],
// [RegistryFlags] and [NameFlags]. Close must follow.
func (c *Context) OpenCommandLog(ctx context.Context, aggregate string) (*CommandLog, error) {
	config, err := c.clusterConfig()
	if err != nil {
		return nil, err
	}
	registry, err := c.registryConfig()
	if err != nil {
		return nil, err
	}
	if err := ping(ctx, config); err != nil {
		return nil, err
	}
	codec, err := c.codecs(ctx, registry)
	if err != nil {
		return nil, err
	}
	names := c.Names()
	client, err := outcomesFromNow(ctx, config, names.Outcomes(aggregate))
	if err != nil {
		return nil, err
	}
	reading, stop := context.WithCancel(context.Background())
	l := &CommandLog{
		aggregate: aggregate, topic: names.Commands(aggregate), codec: codec.Aggregate(aggregate), client: client,
		stop: stop, stopped: make(chan struct{}), waiting: map[commandKey]chan answered{},
	}
	go l.read(reading)
	return l, nil
}

// registryPatience bounds how long a registry that answers may take for all schemas.
const registryPatience = time.Minute

// codecs waits a moment for the registry to answer at all, not for ever: a person is waiting.
func (c *Context) codecs(ctx context.Context, config schemas.Config) (*codecs.Codecs, error) {
	set, err := schemas.Load(c.App.Schemas, c.App.Topology)
	if err != nil {
		return nil, Finding("%w", err)
	}
	registry := schemas.New(config, c.Logger)
	answers, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	_, err = registry.Registered(answers, set.Subjects(c.Names())[0].Name, math.MaxInt)
	var codec *codecs.Codecs
	if err == nil {
		bounded, cancel := context.WithTimeout(ctx, registryPatience)
		defer cancel()
		codec, err = codecs.New(bounded, c.App.Topology, c.Names(), set, registry, c.Logger)
	}
	if errors.Is(err, schemas.ErrUnavailable) && ctx.Err() == nil {
		return nil, Infrastructure("no answer from the schema registry at %s: is it running, and does --registry name it? (%w)", config.URL, err)
	}
	if errors.Is(err, codecs.ErrNewerSchema) {
		return nil, Finding("%w", err)
	}
	return codec, err
}

// outcomesFromNow returns a client that produces, and consumes what is written to the topic from
// now on.
func outcomesFromNow(ctx context.Context, config cluster.Config, topic string) (*kgo.Client, error) {
	opts, err := config.Franz()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("find the end of %s: %w", topic, err)
	}
	from := map[int32]kgo.Offset{}
	ends.Each(func(o kadm.ListedOffset) { from[o.Partition] = kgo.NewOffset().At(o.Offset) })
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
	return client, nil
}

// read gives outcomes to those who wait for them, until ctx ends.
func (l *CommandLog) read(ctx context.Context) {
	defer close(l.stopped)
	for {
		fetches := l.client.PollFetches(ctx)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			l.fail(errors.New("the command log was closed"))
			return
		}
		// what may pass is retried by the client; this does not
		for _, failure := range fetches.Errors() {
			l.fail(fmt.Errorf("read outcomes: %w", failure.Err))
			return
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if err := l.deliver(ctx, r); err != nil {
				l.fail(err)
			}
		})
	}
}

// deliver decodes only what somebody waits for: the topic may have the traffic of a whole system.
func (l *CommandLog) deliver(ctx context.Context, r *kgo.Record) error {
	id := string(r.Key)
	if !l.waitsFor(id) {
		return nil
	}
	outcome, err := l.codec.DecodeOutcome(ctx, r.Value)
	if err != nil {
		return fmt.Errorf("read the outcome at %s/%d/%d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	cause := ""
	for _, h := range r.Headers {
		if h.Key == codecs.HeaderCause {
			cause = string(h.Value)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if waiter, ok := l.waiting[commandKey{id, outcome.CommandID}]; ok {
		select {
		case waiter <- answered{outcome, cause}:
		default: // its sender has more answers than it can need
		}
	}
	return nil
}

func (l *CommandLog) waitsFor(aggregateID string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range l.waiting {
		if key.aggregateID == aggregateID {
			return true
		}
	}
	return false
}

// fail ends every wait, now and later.
func (l *CommandLog) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return
	}
	l.failed = err
	for key, waiter := range l.waiting {
		close(waiter)
		delete(l.waiting, key)
	}
}

// Send writes the command and returns the outcome that answers it. Two commands with the same
// aggregate id and command id must not be sent at the same time. An error leaves it unknown whether
// the command is executed: send it again with the same id.
func (l *CommandLog) Send(ctx context.Context, command foldlog.Command[any]) (foldlog.Outcome, error) {
	value, err := l.codec.EncodeCommand(command)
	if err != nil {
		return foldlog.Outcome{}, err
	}
	key := commandKey{command.AggregateID, command.CommandID}
	waiter, err := l.expect(key)
	if err != nil {
		return foldlog.Outcome{}, err
	}
	defer l.forget(key)
	record := &kgo.Record{
		Topic: l.topic, Key: []byte(command.AggregateID), Value: value,
		Headers: []kgo.RecordHeader{{Key: codecs.HeaderContentType, Value: []byte(codecs.ContentTypeAvro)}},
	}
	if err := l.client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return foldlog.Outcome{}, fmt.Errorf("write command %s to %s: %w", command.CommandID, l.topic, err)
	}
	position := foldlog.Position{Aggregate: l.aggregate, Partition: record.Partition, Offset: record.Offset}.String()
	timeout := time.NewTimer(outcomePatience)
	defer timeout.Stop()
	for {
		select {
		case a, open := <-waiter:
			if !open {
				return foldlog.Outcome{}, l.failure()
			}
			if a.cause == position { // not the answer to an earlier run's copy of the command
				return a.outcome, nil
			}
		case <-ctx.Done():
			return foldlog.Outcome{}, ctx.Err()
		case <-timeout.C:
			return foldlog.Outcome{}, fmt.Errorf("no outcome of command %s at %s within %s: are the processors running?",
				command.CommandID, position, outcomePatience)
		}
	}
}

func (l *CommandLog) expect(key commandKey) (chan answered, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return nil, l.failed
	}
	waiter := make(chan answered, 16)
	l.waiting[key] = waiter
	return waiter, nil
}

func (l *CommandLog) forget(key commandKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waiting, key)
}

func (l *CommandLog) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// Close ends the connection. Sends that still wait fail.
func (l *CommandLog) Close() {
	l.stop()
	<-l.stopped
	l.client.Close()
}
