package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/internal/record"
)

// span is a range of offsets of a partition: from is included, to is not.
type span struct {
	topic     string
	partition int32
	from, to  int64
}

func (s span) size() int64 { return max(s.to-s.from, 0) }

// stream is the committed records in a span, one after another. The next part is fetched while one
// is being used.
type stream struct {
	span
	pull func() (kafkalog.Part, error, bool)
	stop func()
	part []*kgo.Record
	head record.Record // a copy of the next record; valid where has
	has  bool
	err  error

	cause    foldlog.Position // of the next record; valid where looked
	causeErr error
	looked   bool
}

// position returns the place of the command that the next record, which there is, follows from.
func (s *stream) position() (foldlog.Position, error) {
	if !s.looked {
		s.cause, s.causeErr = position(s.head.Header(codecs.HeaderCause))
		s.looked = true
	}
	return s.cause, s.causeErr
}

// open returns the records of a span. The caller closes the stream.
func (r *reading) open(ctx context.Context, log *kafkalog.Log, s span) *stream {
	st := &stream{span: s}
	st.pull, st.stop = iter.Pull2(r.parts(ctx, log, s))
	st.advance()
	return st
}

func (s *stream) close() { s.stop() }

// peek returns the next record, or nil at the end or after an error. It is valid until pop.
func (s *stream) peek() *record.Record {
	if !s.has {
		return nil
	}
	return &s.head
}

// pop goes on to the next record.
func (s *stream) pop() { s.advance() }

func (s *stream) advance() {
	s.has, s.looked = false, false
	for s.err == nil {
		for len(s.part) > 0 {
			r := s.part[0]
			s.part = s.part[1:]
			if r.Offset < s.to {
				s.head, s.has = record.Of(r), true
				return
			}
		}
		part, err, more := s.pull()
		if !more {
			return
		}
		s.part, s.err = part.Records, err
	}
}

// parts brings a span part by part, and tries again where the cluster is in trouble, until its
// patience ends. The last one may be an error.
func (r *reading) parts(ctx context.Context, log *kafkalog.Log, s span) iter.Seq2[kafkalog.Part, error] {
	return func(yield func(kafkalog.Part, error) bool) {
		at, moved := s.from, time.Now()
		stopped := errors.New("the reader stopped")
		for pause := 50 * time.Millisecond; at < s.to; pause = min(2*pause, 2*time.Second) {
			err := log.Read(ctx, s.topic, s.partition, at, s.to, func(part kafkalog.Part) error {
				if part.Next > at {
					r.read(part.Next - at)
					at, moved = part.Next, time.Now()
				} else if part.Waits && time.Since(moved) > r.config.Patience {
					return fmt.Errorf("%w: an open transaction holds it back at offset %d; find it with kafka-transactions.sh find-hanging and abort it", errHeld, at)
				}
				if !yield(part, nil) {
					return stopped
				}
				return nil
			})
			switch {
			case err == nil, errors.Is(err, stopped):
				return
			case ctx.Err() != nil:
				err = ctx.Err()
			case errors.Is(err, errHeld), errors.Is(err, kafkalog.ErrMoved), time.Since(moved) > r.config.Patience:
				err = fmt.Errorf("read %s/%d: %w", s.topic, s.partition, err)
			default:
				r.config.Logger.Warn("cannot read on, trying again", "topic", s.topic, "partition", s.partition, "offset", at, "error", err)
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
				continue
			}
			yield(kafkalog.Part{}, err)
			return
		}
	}
}

var errHeld = errors.New("no progress")
