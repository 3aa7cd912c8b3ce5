package processors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/step"
	"github.com/foldlog/foldlog/topology"
)

// aggregate handles the commands of one aggregate type.
type aggregate struct {
	spec        *topology.AggregateSpec
	codec       *codecs.Aggregate
	names       topology.Names
	source      string // for CloudEvents
	partitions  int
	horizon     time.Duration
	deadLetters deadLetters
	metrics     *metrics
	log         *slog.Logger
}

// indexKey is the scope of a command id: the aggregate. Ids contain no zero byte.
func indexKey(aggregateID, commandID string) string { return aggregateID + "\x00" + commandID }

func (a *aggregate) handle(ctx context.Context, in *record.Record, memory step.Memory) (step.Step, error) {
	command, err := a.codec.DecodeCommand(ctx, *in)
	if undecodable := (*codecs.Undecodable)(nil); errors.As(err, &undecodable) {
		return a.deadLetters.step(in, undecodable.Cause), nil
	}
	if err != nil {
		return step.Step{}, err
	}
	if topology.PartitionOf([]byte(command.AggregateID), a.partitions) != in.Partition || len(in.Key) == 0 {
		return a.forward(in, command.AggregateID), nil
	}
	d := &decision{aggregate: a, in: in, command: command,
		position: foldlog.Position{Aggregate: a.spec.Name, Partition: in.Partition, Offset: in.Offset}}
	found, err := memory.Lookup(ctx, indexKey(command.AggregateID, command.CommandID))
	if err != nil {
		return step.Step{}, err
	}
	if first, ok := found.(foldlog.Outcome); ok && command.RecordedAt.Sub(first.RecordedAt) <= a.horizon {
		return d.repeat(first)
	}
	if command.Problem != nil {
		return d.reject(command.Problem)
	}
	row, err := memory.Row(ctx)
	if err != nil {
		return step.Step{}, err
	}
	return d.decide(ctx, row)
}

// forward sends a command on to the right partition, if a producer with another partitioner put it
// into the wrong one. From then on the copy counts.
func (a *aggregate) forward(in *record.Record, aggregateID string) step.Step {
	if in.Header(codecs.HeaderOriginTopic) != nil {
		return a.deadLetters.step(in, errors.New("the command was forwarded to this partition already, yet its key belongs to another: the topic's partition count changed"))
	}
	a.metrics.forwarded.WithLabelValues(a.spec.Name).Inc()
	return step.Step{Records: []record.Record{{
		Topic:   in.Topic,
		Key:     []byte(aggregateID),
		Value:   in.Value,
		Headers: append(bytesOf(in.Headers), codecs.OriginHeaders(*in)...),
	}}}
}

// bytesOf returns a copy of the headers, so that appending cannot change the input.
func bytesOf(headers []record.Header) []record.Header {
	return append([]record.Header(nil), headers...)
}

// decision is one command on its way to an outcome.
type decision struct {
	*aggregate
	in       *record.Record
	command  codecs.Command
	position foldlog.Position
}

// outcome returns the outcome with everything but the result filled in.
func (d *decision) outcome() foldlog.Outcome {
	return foldlog.Outcome{
		CommandID:     d.command.CommandID,
		AggregateID:   d.command.AggregateID,
		CommandType:   d.command.Type,
		RecordedAt:    d.command.RecordedAt,
		CorrelationID: d.command.CorrelationID,
		Actor:         d.command.Actor,
		PayloadHash:   d.command.PayloadHash,
		Position:      d.position,
	}
}

// repeat answers a command id that already has an outcome. The answer is a marked copy and changes
// nothing.
func (d *decision) repeat(first foldlog.Outcome) (step.Step, error) {
	answer := first
	switch {
	case bytes.Equal(first.PayloadHash, d.command.PayloadHash):
	case d.command.Problem != nil:
		answer = d.outcome()
		answer.Code, answer.Message, answer.Field = d.command.Problem.Code, d.command.Problem.Message, d.command.Problem.Field
	default:
		answer = d.outcome()
		answer.Code = foldlog.CodeCommandIDReused
		answer.Message = fmt.Sprintf("command id %q was used for another command of this aggregate, a %s at %s; use a new id for a new command",
			d.command.CommandID, first.CommandType, first.RecordedAt.Format(time.RFC3339))
	}
	answer.Repeat = true
	d.metrics.repeats.WithLabelValues(d.spec.Name).Inc()
	r, err := d.outcomeRecord(answer)
	if err != nil {
		return step.Step{}, err
	}
	return step.Step{Records: []record.Record{r}}, nil
}

// reject returns the step of a refusal.
func (d *decision) reject(r *foldlog.Rejection) (step.Step, error) {
	o := d.outcome()
	o.Code, o.Message, o.Field = r.Code, r.Message, r.Field
	s, err := d.finish(o, nil)
	if err != nil {
		return step.Step{}, err
	}
	// Nobody waits for this outcome.
	if strings.HasPrefix(d.command.Actor, codecs.PolicyActorPrefix) {
		d.metrics.policyRejections.WithLabelValues(d.spec.Name, r.Code).Inc()
		d.log.Error("a policy's command was rejected", "aggregate", d.spec.Name, "id", d.command.AggregateID, "command", d.command.Type,
			"command_id", d.command.CommandID, "actor", d.command.Actor, "rejection", r.Error())
		s.Records = append(s.Records, d.deadLetters.record(d.in, fmt.Errorf("rejected: %w", r)))
	}
	return s, nil
}

// finish appends the outcome to the records that belong to it.
func (d *decision) finish(o foldlog.Outcome, records []record.Record) (step.Step, error) {
	r, err := d.outcomeRecord(o)
	if err != nil {
		return step.Step{}, err
	}
	d.metrics.outcome(d.spec.Name, o)
	return step.Step{
		Records:  append(records, r),
		Remember: &step.IndexEntry{Key: indexKey(o.AggregateID, o.CommandID), Value: o},
	}, nil
}

func (d *decision) outcomeRecord(o foldlog.Outcome) (record.Record, error) {
	value, err := d.codec.EncodeOutcome(o)
	if err != nil {
		return record.Record{}, fmt.Errorf("encode the outcome of command %s at %s: %w", o.CommandID, d.position, err)
	}
	return record.Record{
		Topic:   d.names.Outcomes(d.spec.Name),
		Key:     []byte(d.command.AggregateID),
		Value:   value,
		Headers: []record.Header{{Key: codecs.HeaderCause, Value: []byte(d.position.String())}},
	}, nil
}
