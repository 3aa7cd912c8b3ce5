package processors

import (
	"log/slog"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/step"
)

// deadLetters sets aside the input that one group cannot handle.
type deadLetters struct {
	group   string
	topic   string
	metrics *metrics
	log     *slog.Logger
}

// step returns the step that sets the input aside.
func (d deadLetters) step(in *record.Record, cause error) step.Step {
	return step.Step{Records: []record.Record{d.record(in, cause)}}
}

// record returns the dead letter, and counts it.
func (d deadLetters) record(in *record.Record, cause error) record.Record {
	d.metrics.deadLetters.WithLabelValues(d.group).Inc()
	d.log.Warn("set aside as a dead letter", "group", d.group, "topic", in.Topic, "partition", in.Partition, "offset", in.Offset,
		"cause", cause, "stack", stackOf(cause))
	return codecs.DeadLetter(*in, d.topic, d.group, cause)
}
