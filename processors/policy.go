package processors

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/step"
	"github.com/foldlog/foldlog/topology"
)

// events reads the events of one aggregate type in the input of a group.
type events struct {
	codec      *codecs.Aggregate
	partitions int
	unknownIDs *codecs.UnknownIDs
}

// policy turns the events of one aggregate type into commands.
type policy struct {
	spec        *topology.PolicySpec
	source      events
	targets     map[string]*codecs.Aggregate
	names       topology.Names
	deadLetters deadLetters
}

func (p *policy) handle(ctx context.Context, in *record.Record, _ step.Memory) (step.Step, error) {
	event, fault, err := p.source.decode(ctx, in)
	if err != nil {
		return step.Step{}, err
	}
	if fault != nil {
		return p.deadLetters.step(in, fault), nil
	}
	records, fault := p.react(in, event)
	if fault != nil {
		return p.deadLetters.step(in, fault), nil
	}
	return step.Step{Records: records}, nil
}

// react returns the commands as records. A fault is the domain's: it panics, or sends a command
// that the topology does not allow.
func (p *policy) react(in *record.Record, event foldlog.Event[any]) (records []record.Record, fault error) {
	defer func() {
		if cause := recover(); cause != nil {
			fault = newPanicFault("policy "+p.spec.Name+" on event "+event.EventID, cause)
		}
	}()
	for i, send := range p.spec.Policy.React(event) {
		target := p.targets[send.Aggregate]
		if target == nil {
			return nil, fmt.Errorf("policy %s sends to %q, which it does not declare; it declares %v", p.spec.Name, send.Aggregate, p.spec.Sends)
		}
		if err := foldlog.CheckAggregateID(send.ID); err != nil {
			return nil, fmt.Errorf("policy %s sends to %s %q: %w", p.spec.Name, send.Aggregate, send.ID, err)
		}
		commandID := foldlog.PolicyCommandID(p.spec.Name, event.EventID, i)
		value, err := target.EncodeCommand(foldlog.Command[any]{
			Meta: foldlog.Meta{
				AggregateID:   send.ID,
				CommandID:     commandID,
				CorrelationID: event.CorrelationID,
				CausationID:   event.EventID,
			},
			Data: send.Command,
		})
		if err != nil {
			return nil, fmt.Errorf("policy %s sends a %T to %s %s: %w", p.spec.Name, send.Command, send.Aggregate, send.ID, err)
		}
		headers := []record.Header{
			{Key: codecs.HeaderContentType, Value: []byte(codecs.ContentTypeAvro)},
			{Key: codecs.HeaderActor, Value: []byte(codecs.PolicyActorPrefix + p.spec.Name)},
		}
		headers = append(headers, codecs.TraceHeaders(in.Header(codecs.HeaderTraceparent))...)
		records = append(records, record.Record{Topic: p.names.Commands(send.Aggregate), Key: []byte(send.ID), Value: value, Headers: headers})
	}
	return records, nil
}

// outputs returns the topics that the policy writes to.
func (p *policy) outputs() []string {
	var topics []string
	for _, target := range p.spec.Sends {
		if topic := p.names.Commands(target); !slices.Contains(topics, topic) {
			topics = append(topics, topic)
		}
	}
	return topics
}

// decode reads an event record. A fault means that the record is no event that one of our
// groups can have written; err means to try again.
func (s events) decode(ctx context.Context, in *record.Record) (event foldlog.Event[any], fault, err error) {
	switch home := topology.PartitionOf(in.Key, s.partitions); {
	case in.Value == nil:
		return event, errors.New("an event has a value; this record has none"), nil
	case len(in.Key) == 0:
		return event, errors.New("an event has a key; this record has none"), nil
	case home != in.Partition:
		return event, fmt.Errorf("the key %q belongs to partition %d; no processor wrote the record into this one", clip(string(in.Key), foldlog.MaxIDLength), home), nil
	}
	event, err = s.codec.DecodeEvent(ctx, in.Value)
	if undecodable := (*codecs.Undecodable)(nil); errors.As(err, &undecodable) {
		if again := s.unknownIDs.Retry(in, undecodable); again != nil {
			return event, nil, again
		}
		return event, undecodable.Cause, nil
	}
	return event, nil, err
}
