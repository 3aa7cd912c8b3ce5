package processors

import (
	"log/slog"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/step"
	"github.com/foldlog/foldlog/topology"
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

// record returns the dead letter: the raw input, with its coordinates, the cause and its own
// headers. If that does not fit, the input's headers are left out first, then the end of its value,
// and then that of its key. All of them can be read at the coordinates.
func (d deadLetters) record(in *record.Record, cause error) record.Record {
	d.metrics.deadLetters.WithLabelValues(d.group).Inc()
	d.log.Warn("set aside as a dead letter", "group", d.group, "topic", in.Topic, "partition", in.Partition, "offset", in.Offset,
		"cause", cause, "stack", stackOf(cause))
	letter := record.Record{Topic: d.topic, Key: in.Key, Value: in.Value, Headers: codecs.DeadLetterHeaders(*in, d.group, cause)}
	room := topology.MaxRecordBytes - sizeOf(&record.Record{Headers: letter.Headers})
	if len(in.Key)+len(in.Value) > room {
		letter.Key = in.Key[:min(len(in.Key), room)]
		letter.Value = in.Value[:min(len(in.Value), room-len(letter.Key))]
		letter.Headers = append(letter.Headers, record.Header{Key: codecs.HeaderDeadLetterTruncated, Value: []byte("true")})
		return letter
	}
	if whole := append(letter.Headers, in.Headers...); sizeOf(&record.Record{Headers: in.Headers})+len(in.Key)+len(in.Value) <= room {
		letter.Headers = whole
	}
	return letter
}

func newDeadLetters(group string, names topology.Names, m *metrics, log *slog.Logger) deadLetters {
	return deadLetters{group: group, topic: names.DeadLetters(group), metrics: m, log: log}
}
