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
	unknownIDs  *codecs.UnknownIDs
	metrics     *metrics
	log         *slog.Logger
}

// indexKey is the scope of a command id: the aggregate. Ids contain no zero byte.
func indexKey(aggregateID, commandID string) string { return aggregateID + "\x00" + commandID }

func (a *aggregate) handle(ctx context.Context, in *record.Record, memory step.Memory) (step.Step, error) {
	command, err := a.codec.DecodeCommand(ctx, *in)
	if undecodable := (*codecs.Undecodable)(nil); errors.As(err, &undecodable) {
		if again := a.unknownIDs.Retry(in, undecodable); again != nil {
			return step.Step{}, again
		}
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
	s, err := d.answer(ctx, memory)
	if err != nil && !passing(ctx, err) {
		s, err = d.fail(err)
	}
	if s.Remember != nil {
		a.metrics.outcome(a.spec.Name, s.Remember.Value.(foldlog.Outcome))
	}
	return s, err
}

// forward sends a command on to the right partition, if a producer with another partitioner put it
// into the wrong one. From then on the copy counts.
func (a *aggregate) forward(in *record.Record, aggregateID string) step.Step {
	if in.Header(codecs.HeaderOriginTopic) != nil {
		return a.deadLetters.step(in, errors.New("the command was forwarded to this partition already, yet its key belongs to another: the topic's partition count changed"))
	}
	a.metrics.forwarded.WithLabelValues(a.spec.Name).Inc()
	return step.Step{Records: []record.Record{codecs.Forwarded(*in, aggregateID)}}
}

// decision is one command on its way to an outcome.
type decision struct {
	*aggregate
	in       *record.Record
	command  codecs.Command
	position foldlog.Position
}

// answer leads a command to its outcome. A panic of the domain's code becomes an error.
func (d *decision) answer(ctx context.Context, memory step.Memory) (s step.Step, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = newPanicFault(d.spec.Name+"'s decider", cause)
		}
	}()
	found, err := memory.Lookup(ctx, indexKey(d.command.AggregateID, d.command.CommandID))
	if err != nil {
		return step.Step{}, err
	}
	first, ok := found.(foldlog.Outcome)
	if ok && first.Code != foldlog.CodeInternal && d.command.RecordedAt.Sub(first.RecordedAt) <= d.horizon {
		return d.repeat(first)
	}
	if d.command.Problem != nil {
		return d.reject(d.command.Problem)
	}
	row, err := memory.Row(ctx)
	if err != nil {
		return step.Step{}, err
	}
	return d.decide(ctx, row)
}

// fail returns the step of a command that cannot be carried out because of a defect: of the domain,
// or of the stored state. Another try would fail alike, so the command gets its outcome at once.
func (d *decision) fail(defect error) (step.Step, error) {
	d.log.Error("a command failed because of a defect of the domain or of its state", "aggregate", d.spec.Name, "id", d.command.AggregateID,
		"command", d.command.Type, "command_id", d.command.CommandID, "position", d.position.String(), "error", defect, "stack", stackOf(defect))
	return d.reject(foldlog.Reject(foldlog.CodeInternal, "the command could not be decided; the server's log says why"))
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
		answer = d.refusal(d.command.Problem)
	default:
		answer = d.refusal(foldlog.Reject(foldlog.CodeCommandIDReused,
			"command id %q was used for another command of this aggregate, a %s at %s; use a new id for a new command",
			d.command.CommandID, first.CommandType, first.RecordedAt.Format(time.RFC3339)))
	}
	answer.Repeat = true
	d.metrics.repeats.WithLabelValues(d.spec.Name).Inc()
	r, err := d.outcomeRecord(answer)
	if err != nil {
		return step.Step{}, err
	}
	return step.Step{Records: []record.Record{r}}, nil
}

// Most bytes of an outcome's texts. A message may quote the sender's input at a multiple of its
// size, and an outcome that does not fit would be no outcome.
const (
	maxCode    = 100
	maxField   = 1 << 10
	maxMessage = 4 << 10
)

// refusal returns the outcome of a refusal. Every text of an outcome is clipped here.
func (d *decision) refusal(r *foldlog.Rejection) foldlog.Outcome {
	o := d.outcome()
	o.Code, o.Message, o.Field = clip(r.Code, maxCode), clip(r.Message, maxMessage), clip(r.Field, maxField)
	return o
}

// reject returns the step of a refusal.
func (d *decision) reject(r *foldlog.Rejection) (step.Step, error) {
	if r == nil || r.Code == "" {
		return d.fail(errors.New("the decider returned a nil rejection, or one without a code"))
	}
	o := d.refusal(r)
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
