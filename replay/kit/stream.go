package kit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/internal/retry"
)

// Log reads partitions over a connection of its own, for one goroutine.
type Log struct {
	reader *Reader
	conn   *kafkalog.Log
}

// WithLog connects, does something with a log, and disconnects.
func (r *Reader) WithLog(do func(*Log) error) error {
	conn, err := kafkalog.Open(r.Config.Cluster)
	if err != nil {
		return err
	}
	defer conn.Close()
	return do(&Log{reader: r, conn: conn})
}

// Span is a range of offsets of a partition: From is included, To is not.
type Span struct {
	Topic     string
	Partition int32
	From, To  int64
}

// Size returns how many offsets there are.
func (s Span) Size() int64 { return max(s.To-s.From, 0) }

// Records goes through the committed records of a span. A record is valid until the next one; after
// an error there is none. The next part is fetched while one is being used.
func (l *Log) Records(ctx context.Context, s Span) iter.Seq2[*record.Record, error] {
	return func(yield func(*record.Record, error) bool) {
		var head record.Record
		for part, err := range l.parts(ctx, s) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, r := range part {
				if head = record.Of(r); r.Offset < s.To && !yield(&head, nil) {
					return
				}
			}
		}
	}
}

// Last returns the last committed record of a span, or nil.
func (l *Log) Last(ctx context.Context, s Span) (*record.Record, error) {
	for window := int64(256); ; window *= 8 {
		from := max(s.From, s.To-window)
		var last *record.Record
		for r, err := range l.Records(ctx, Span{s.Topic, s.Partition, from, s.To}) {
			if err != nil {
				return nil, err
			}
			found := *r
			last = &found
		}
		if last != nil || from == s.From {
			return last, nil
		}
	}
}

// Stream is the committed records of a span, for logs that are read side by side.
type Stream struct {
	Span
	Err  error // why there is no next record, if it is not the end
	pull func() ([]*kgo.Record, error, bool)
	stop func()
	part []*kgo.Record
	head record.Record // a copy of the next record; valid if has
	has  bool

	cause    foldlog.Position // of the next record; valid if looked
	causeErr error
	looked   bool
}

// Cause returns the place of the command that the next record, which there is, follows from.
func (s *Stream) Cause() (foldlog.Position, error) {
	if !s.looked {
		s.cause, s.causeErr = CauseOf(&s.head)
		s.looked = true
	}
	return s.cause, s.causeErr
}

// Stream opens the records of a span. The caller closes it.
func (l *Log) Stream(ctx context.Context, s Span) *Stream {
	st := &Stream{Span: s}
	st.pull, st.stop = iter.Pull2(l.parts(ctx, s))
	st.Pop()
	return st
}

// Close ends the reading.
func (s *Stream) Close() { s.stop() }

// Peek returns the next record, or nil at the end or after an error. It is valid until Pop.
func (s *Stream) Peek() *record.Record {
	if !s.has {
		return nil
	}
	return &s.head
}

// Pop goes on to the next record.
func (s *Stream) Pop() {
	s.has, s.looked = false, false
	for s.Err == nil {
		for len(s.part) > 0 {
			r := s.part[0]
			s.part = s.part[1:]
			if r.Offset < s.To {
				s.head, s.has = record.Of(r), true
				return
			}
		}
		part, err, more := s.pull()
		if !more {
			return
		}
		s.part, s.Err = part, err
	}
}

var errHeld = errors.New("an open transaction holds it back")

// parts brings a span part by part. Trouble with the cluster is tried again until patience ends.
// The last part may be an error.
func (l *Log) parts(ctx context.Context, s Span) iter.Seq2[[]*kgo.Record, error] {
	config := &l.reader.Config
	return func(yield func([]*kgo.Record, error) bool) {
		at, moved := s.From, time.Now()
		for range retry.Attempts(ctx, firstPause, lastPause) {
			stopped := false
			err := l.conn.Read(ctx, s.Topic, s.Partition, at, s.To, func(part kafkalog.Part) error {
				if part.Next > at {
					l.reader.Progress(part.Next - at)
					at, moved = part.Next, time.Now()
				} else if part.Waits && time.Since(moved) > config.Patience {
					return fmt.Errorf("%w at offset %d; find it with kafka-transactions.sh find-hanging and abort it", errHeld, at)
				}
				if stopped = !yield(part.Records, nil); stopped {
					return errors.New("the reader stopped")
				}
				return nil
			})
			switch {
			case stopped, err == nil:
				return
			case ctx.Err() != nil:
				yield(nil, ctx.Err())
				return
			case errors.Is(err, errHeld), errors.Is(err, kafkalog.ErrMoved), time.Since(moved) > config.Patience:
				yield(nil, fmt.Errorf("read %s/%d: %w", s.Topic, s.Partition, err))
				return
			}
			config.Logger.Warn("cannot read on, trying again", "topic", s.Topic, "partition", s.Partition, "offset", at, "error", err)
		}
		yield(nil, ctx.Err())
	}
}
