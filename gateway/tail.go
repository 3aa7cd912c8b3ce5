package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/views"
)

// Tail reads the outcomes of a topology from Kafka, for a process without views. It is safe for
// concurrent use.
type Tail struct {
	client      *kgo.Client
	byAggregate map[string]*outcomes
	byTopic     map[string]*outcomes
	reading     context.Context // its cause says why no outcome is read any more
	stop        context.CancelCauseFunc
	stopped     chan struct{}
}

// outcomes are those of one aggregate type.
type outcomes struct {
	codec    *codecs.Aggregate
	expected *views.Expectations
}

// OpenTail reads the outcomes topics from now on. It needs all of the configuration but Expect,
// which [Tail.Expect] is for. Close must follow.
func OpenTail(ctx context.Context, config Config) (*Tail, error) {
	t := &Tail{byAggregate: map[string]*outcomes{}, byTopic: map[string]*outcomes{}, stopped: make(chan struct{})}
	var topics []string
	for _, a := range config.Topology.Aggregates {
		o := &outcomes{config.Codecs.Aggregate(a.Name), views.NewExpectations(prometheus.NewGauge(prometheus.GaugeOpts{}))}
		topic := config.Names.Outcomes(a.Name)
		t.byAggregate[a.Name], t.byTopic[topic] = o, o
		topics = append(topics, topic)
	}
	opts, err := config.Cluster.Franz()
	if err != nil {
		return nil, err
	}
	t.client, err = kgo.NewClient(append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		return nil, fmt.Errorf("kafka client of outcomes: %w", err)
	}
	ends, err := kadm.NewClient(t.client).ListCommittedOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		t.client.Close()
		return nil, fmt.Errorf("find the ends of the outcomes: %w", err)
	}
	t.client.AddConsumePartitions(ends.KOffsets())
	t.reading, t.stop = context.WithCancelCause(context.Background())
	go t.read()
	return t, nil
}

// read hands outcomes to those who expect them, until the tail is stopped.
func (t *Tail) read() {
	defer close(t.stopped)
	for {
		fetches := t.client.PollFetches(t.reading)
		if t.reading.Err() != nil {
			return
		}
		// The client retries passing failures; this one does not pass.
		_, failures := cluster.Skip(t.client, fetches)
		for _, failure := range failures {
			t.stop(fmt.Errorf("read outcomes from %s: %w", failure.Topic, failure.Err))
			return
		}
		for r := range fetches.RecordsAll() {
			if err := t.deliver(r); err != nil {
				t.stop(fmt.Errorf("read the outcome at %s/%d/%d: %w", r.Topic, r.Partition, r.Offset, err))
				return
			}
		}
	}
}

// deliver decodes only outcomes that somebody waits for: the topics may have the traffic of a whole
// system.
func (t *Tail) deliver(r *kgo.Record) error {
	id, o := string(r.Key), t.byTopic[r.Topic]
	if !o.expected.For(id) {
		return nil
	}
	outcome, err := o.codec.DecodeOutcome(t.reading, r.Value)
	if undecodable := (*codecs.Undecodable)(nil); errors.As(err, &undecodable) {
		return nil // no processor wrote it
	}
	if err != nil {
		return err
	}
	taken := record.Of(r)
	o.expected.Arrived(id, taken.Header(codecs.HeaderCause), outcome)
	return nil
}

// Expect registers for the outcome of a command.
func (t *Tail) Expect(aggregate, aggregateID, commandID string) Expectation {
	return &tailed{t.byAggregate[aggregate].expected.Expect(aggregateID, commandID), t.reading}
}

// tailed is an expectation that ends with its tail.
type tailed struct {
	expected *views.Expectation
	reading  context.Context
}

func (e *tailed) Wait(ctx context.Context, at foldlog.Position) (foldlog.Outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(e.reading, func() { cancel(context.Cause(e.reading)) })
	defer stop()
	return e.expected.Wait(ctx, at)
}

func (e *tailed) Close() { e.expected.Close() }

// Close ends the connection. Waits end, too.
func (t *Tail) Close() {
	t.stop(errors.New("no outcomes are read any more"))
	<-t.stopped
	t.client.Close()
}
