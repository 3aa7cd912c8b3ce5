package processors

import (
	"context"
	"fmt"
	"strings"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/step"
	"github.com/foldlog/foldlog/topology"
)

// rekey sends events on to the partition of the row that they change.
type rekey struct {
	spec        *topology.ProjectionSpec
	source      events
	names       topology.Names
	deadLetters deadLetters
}

func (r *rekey) handle(ctx context.Context, in *record.Record, _ step.Memory) (step.Step, error) {
	event, fault, err := r.source.decode(ctx, in)
	if err != nil {
		return step.Step{}, err
	}
	key := ""
	if fault == nil {
		key, fault = r.key(event)
	}
	s := step.Step{Progress: progressOf(in)}
	switch {
	case fault != nil:
		s.Records = []record.Record{r.deadLetters.record(in, fault)}
	case key != "":
		s.Records = []record.Record{codecs.Rekeyed(*in, r.names.RekeyedTopic(r.spec.ID()), key)}
	}
	return s, nil
}

func (r *rekey) key(event foldlog.Event[any]) (key string, fault error) {
	defer recovered(&fault, r.spec, event)
	if key = r.spec.Projection.Key(event); key == "" {
		return "", nil
	}
	if err := foldlog.CheckViewKey(key); err != nil {
		return "", fmt.Errorf("projection %s computed a key from event %s that cannot be one: %w", r.spec.ID(), event.EventID, err)
	}
	return key, nil
}

// projection folds events into rows.
type projection struct {
	spec        *topology.ProjectionSpec
	source      events
	codec       *codecs.Projection
	deadLetters deadLetters
}

func (p *projection) handle(ctx context.Context, in *record.Record, memory step.Memory) (step.Step, error) {
	s := step.Step{Progress: progressOf(in)}
	if strings.HasPrefix(string(in.Key), topology.ProgressPrefix) {
		return s, nil
	}
	event, fault, err := p.source.decode(ctx, in)
	if err != nil {
		return step.Step{}, err
	}
	if fault == nil {
		before, err := memory.Row(ctx)
		if err != nil {
			return step.Step{}, err
		}
		s.Row, fault = p.project(before, event)
	}
	if fault != nil {
		s.Records = []record.Record{p.deadLetters.record(in, fault)}
	}
	return s, nil
}

func (p *projection) project(before any, event foldlog.Event[any]) (row *step.Row, fault error) {
	defer recovered(&fault, p.spec, event)
	value := p.spec.Projection.Project(before, event)
	encoded, err := p.codec.EncodeRow(value)
	if err != nil {
		return nil, fmt.Errorf("projection %s made a row from event %s that its schema cannot hold: %w", p.spec.ID(), event.EventID, err)
	}
	if len(encoded) > topology.MaxRecordBytes {
		return nil, fmt.Errorf("projection %s made a row of %d bytes from event %s; at most %d fit", p.spec.ID(), len(encoded), event.EventID, topology.MaxRecordBytes)
	}
	return &step.Row{Value: value, Encoded: encoded}, nil
}

// recovered turns a panic of the domain's code into a fault.
func recovered(fault *error, spec *topology.ProjectionSpec, event foldlog.Event[any]) {
	if cause := recover(); cause != nil {
		*fault = newPanicFault("projection "+spec.ID()+" on event "+event.EventID, cause)
	}
}

// progressOf returns the progress that a record announces, or nil.
func progressOf(in *record.Record) *step.Progress {
	text := in.Header(codecs.HeaderProgress)
	if text == nil {
		return nil
	}
	position, err := foldlog.ParsePosition(string(text))
	if err != nil { // not one of ours: freshness is understated, nothing else
		return nil
	}
	return &step.Progress{Source: position.Aggregate, Partition: position.Partition, Offset: position.Offset}
}
