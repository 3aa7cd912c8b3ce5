package kit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
)

// ErrDamaged is wrapped by errors about events that cannot have happened like this. Nothing was
// changed then.
var ErrDamaged = errors.New("the events are damaged, and nothing was changed: run 'foldlog verify' for all that is wrong")

// LoggedEvent is an event and the record that it was read from.
type LoggedEvent struct {
	Record record.Record
	Event  foldlog.Event[any]
	// Fault is the defect of the record's bytes, for a check that goes on in spite of it.
	Fault error
}

// Finding returns the finding about an event of an aggregate type or projection.
func (e *LoggedEvent) Finding(part string) Finding {
	f := At(&e.Record, part)
	f.Version = e.Event.Version
	return f
}

// DecodeEvent returns the event in a record, or an error that wraps [ErrDamaged].
func DecodeEvent(ctx context.Context, codec *codecs.Aggregate, r *record.Record) (*LoggedEvent, error) {
	e, err := codec.DecodeEvent(ctx, r.Value)
	if Undecodable(err) {
		err = Unreadable(r, err)
	}
	return &LoggedEvent{Record: *r, Event: e}, err
}

// Unreadable returns an error that wraps [ErrDamaged].
func Unreadable(r *record.Record, err error) error {
	return fmt.Errorf("%w: %s/%d/%d cannot be read: %w", ErrDamaged, r.Topic, r.Partition, r.Offset, err)
}

// Undecodable reports whether an error says that bytes cannot be decoded: it is of the data, and
// not of the infrastructure.
func Undecodable(err error) bool {
	_, is := errors.AsType[*codecs.Undecodable](err)
	return is
}

// InOrder visits the events in some partitions of an aggregate type's events: those of one
// partition in their order, among partitions by time, so that it does not depend on chance.
func (l *Log) InOrder(ctx context.Context, source string, spans []Span, visit func(*LoggedEvent) error) error {
	codec := l.reader.Config.Codecs.Aggregate(source)
	streams, heads := make([]*Stream, len(spans)), make([]*LoggedEvent, len(spans))
	next := func(i int) (err error) {
		heads[i] = nil
		if head := streams[i].Peek(); head != nil {
			heads[i], err = DecodeEvent(ctx, codec, head)
			streams[i].Pop()
		}
		return errors.Join(err, streams[i].Err)
	}
	for i, s := range spans {
		streams[i] = l.Stream(ctx, s)
		defer streams[i].Close()
		if err := next(i); err != nil {
			return err
		}
	}
	for {
		first := -1
		for i, e := range heads {
			if e != nil && (first < 0 || e.Event.RecordedAt.Before(heads[first].Event.RecordedAt)) {
				first = i
			}
		}
		if first < 0 {
			return nil
		}
		if err := visit(heads[first]); err != nil {
			return err
		}
		if err := next(first); err != nil {
			return err
		}
	}
}

// CauseOf returns the place of the command that a record follows from.
func CauseOf(r *record.Record) (foldlog.Position, error) {
	text := r.Header(codecs.HeaderCause)
	if text == nil {
		return foldlog.Position{}, errors.New("no header foldlog-cause")
	}
	return foldlog.ParsePosition(string(text))
}

// ProgressOf returns up to which command of an aggregate type a record says that everything is
// there; ok is false if it does not say so.
func ProgressOf(r *record.Record, aggregate string) (p foldlog.Position, ok bool) {
	p, err := foldlog.ParsePosition(string(r.Header(codecs.HeaderProgress)))
	return p, err == nil && p.Aggregate == aggregate
}

// PlaceIn reads a place from two headers.
func PlaceIn(r *record.Record, partitionHeader, offsetHeader string) (partition int32, offset int64, ok bool) {
	p, err := strconv.ParseInt(string(r.Header(partitionHeader)), 10, 32)
	if err != nil || p < 0 {
		return 0, 0, false
	}
	offset, err = strconv.ParseInt(string(r.Header(offsetHeader)), 10, 64)
	return int32(p), offset, err == nil
}

// Later returns the later one of two times.
func Later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
