package replay

import (
	"context"
	"errors"
	"sync"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/topology"
)

// letters says which commands were set aside: by aggregate type, and the command's partition and
// offset.
type letters struct {
	mu  sync.Mutex
	all map[string][]map[int64]bool
}

// has reports whether a command was set aside.
func (l *letters) has(aggregate string, partition int32, offset int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[aggregate][partition][offset]
}

// readLetters reads which commands were set aside. The spans are those of the dead letters.
func (r *reading) readLetters(ctx context.Context, spanOf func(topic string, partition int32) span) (*letters, error) {
	l := &letters{all: map[string][]map[int64]bool{}}
	var all []work
	for _, a := range r.config.Topology.Aggregates {
		l.all[a.Name] = make([]map[int64]bool, r.config.Settings.Partitions)
		for p := range l.all[a.Name] {
			l.all[a.Name][p] = map[int64]bool{}
		}
		for p := range int32(r.config.Settings.Partitions) {
			if s := spanOf(r.names.DeadLetters(r.names.Group(a.Name)), p); s.size() > 0 {
				all = append(all, func(ctx context.Context, log *kafkalog.Log) error { return r.readLettersOf(ctx, log, s, a.Name, l) })
			}
		}
	}
	return l, r.each(ctx, all)
}

func (r *reading) readLettersOf(ctx context.Context, log *kafkalog.Log, s span, aggregate string, l *letters) error {
	st := r.open(ctx, log, s)
	defer st.close()
	for letter := st.peek(); letter != nil; letter = st.peek() {
		partition, offset, ok := placeOf(letter, codecs.HeaderDeadLetterPartition, codecs.HeaderDeadLetterOffset)
		if ok && int(partition) < len(l.all[aggregate]) {
			l.mu.Lock()
			l.all[aggregate][partition][offset] = true
			l.mu.Unlock()
		}
		st.pop()
	}
	return st.err
}

// restoreLetters writes the dead letters of commands that were handled, cannot be read, and have
// none: the topic was lost.
func (v *recovery) restoreLetters(ctx context.Context) error {
	var topics []string
	for _, a := range v.config.Topology.Aggregates {
		topics = append(topics, v.names.DeadLetters(v.names.Group(a.Name)))
	}
	starts, err := v.offsets(ctx, v.admin.ListStartOffsets, topics)
	if err != nil {
		return err
	}
	ends, err := v.offsets(ctx, v.admin.ListEndOffsets, topics)
	if err != nil {
		return err
	}
	there, err := v.readLetters(ctx, func(topic string, p int32) span { return span{topic, p, starts[topic][p], ends[topic][p]} })
	if err != nil {
		return err
	}
	var all []work
	for _, a := range v.config.Topology.Aggregates {
		for p := range int32(v.config.Settings.Partitions) {
			all = append(all, func(ctx context.Context, log *kafkalog.Log) error {
				return v.restoreLettersOf(ctx, log, a.Name, p, there)
			})
		}
	}
	return v.each(ctx, all)
}

func (v *recovery) restoreLettersOf(ctx context.Context, log *kafkalog.Log, aggregate string, partition int32, there *letters) error {
	codec, group := v.config.Codecs.Aggregate(aggregate), v.names.Group(aggregate)
	st := v.open(ctx, log, v.handled[aggregate][partition])
	defer st.close()
	for r := st.peek(); r != nil; r = st.peek() {
		_, err := codec.DecodeCommandUnhashed(ctx, *r)
		switch undecodable := (*codecs.Undecodable)(nil); {
		case errors.As(err, &undecodable):
			if !there.has(aggregate, partition, r.Offset) {
				v.writer.write(ctx, v.letter(r, group, undecodable.Cause))
			}
		case err != nil:
			return err
		}
		st.pop()
	}
	if st.err != nil {
		return st.err
	}
	return v.writer.flush(ctx)
}

// letter returns a command's dead letter. Of a value that would not fit the end is left out; it can
// be read at the coordinates.
func (v *recovery) letter(r *record.Record, group string, cause error) *record.Record {
	out := &record.Record{
		Topic: v.names.DeadLetters(group), Partition: topology.PartitionOf(r.Key, v.config.Settings.Partitions), Key: r.Key, Value: r.Value,
		Headers: codecs.DeadLetterHeaders(*r, group, cause),
	}
	if room := topology.MaxRecordBytes - len(r.Key) - 8<<10; len(out.Value) > room {
		out.Value = out.Value[:room]
		out.Headers = append(out.Headers, record.Header{Key: codecs.HeaderDeadLetterTruncated, Value: []byte("true")})
	}
	return out
}
