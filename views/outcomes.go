package views

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/planted"
	"github.com/foldlog/foldlog/topology"
)

// Outcomes is what became of the commands to one aggregate type, by aggregate id and command id. It is safe for
// concurrent use.
type Outcomes struct {
	replica *replica
	index   *outcomeIndex
	pending *expectations
}

// Get returns the first outcome of a command; ok is false where there is none yet, or where it was recorded longer ago than the horizon. It
// fails with ErrNotReady, and with a RowError where the outcome cannot be decoded.
func (o *Outcomes) Get(ctx context.Context, aggregateID, commandID string) (outcome foldlog.Outcome, ok bool, err error) {
	var raw []byte
	err = o.replica.use(func(s *store) (err error) {
		raw, err = s.get(outcomeID{aggregateID, commandID}.key())
		return err
	})
	if err != nil || raw == nil {
		return foldlog.Outcome{}, false, err
	}
	recordedAt, value, err := splitOutcome(raw)
	if err == nil && o.index.expired(recordedAt) {
		return foldlog.Outcome{}, false, nil
	}
	if err == nil {
		outcome, err = o.index.decode(ctx, value)
	}
	if err != nil {
		p := topology.PartitionOf([]byte(aggregateID), o.replica.partitions)
		return foldlog.Outcome{}, false, &RowError{Topic: o.replica.topic, Partition: p, Key: aggregateID + " " + commandID, Err: err}
	}
	return outcome, true, nil
}

// Expect registers for the outcomes of a command. Call it before the command is produced, so that none can be missed, and call
// [Expectation.Close] when done.
func (o *Outcomes) Expect(aggregateID, commandID string) *Expectation {
	return o.pending.add(outcomeID{aggregateID, commandID})
}

const (
	// decodePause and maxDecodePause bound the pause before an outcome is decoded again after the schema registry was away.
	decodePause    = 100 * time.Millisecond
	maxDecodePause = 5 * time.Second
)

// outcomeIndex is the index of an outcomes topic.
type outcomeIndex struct {
	horizon time.Duration
	now     func() time.Time
	decode  func(ctx context.Context, value []byte) (foldlog.Outcome, error)
	pending *expectations
	ignored func(r record, why string)
	retried func(r record, err error)
}

func (x *outcomeIndex) load(*store) error { return nil }
func (x *outcomeIndex) forget()           {}

func (x *outcomeIndex) expired(recordedAt time.Time) bool { return x.now().Sub(recordedAt) > x.horizon }

func (x *outcomeIndex) prepare(ctx context.Context, r record) (func(*store, *changes) error, error) {
	if r.key == "" || r.value == nil {
		return x.skip(r, "it has no key or no value"), nil
	}
	outcome, err := x.decodePatiently(ctx, r)
	if ended := ctx.Err(); err != nil && ended != nil {
		return nil, ended
	}
	if err != nil {
		return x.skip(r, err.Error()), nil
	}
	cause := outcome.Position // of a record without the header, which is not ours
	if r.cause != nil {
		if position, err := foldlog.ParsePosition(string(r.cause)); err == nil {
			cause = position
		}
	}
	id := outcomeID{r.key, outcome.CommandID}
	return func(s *store, c *changes) error {
		if err := x.stage(s, c, id, outcome, r.value); err != nil {
			return err
		}
		c.then(func() { x.pending.arrived(id, cause, outcome) })
		return nil
	}, nil
}

func (x *outcomeIndex) skip(r record, why string) func(*store, *changes) error {
	return func(_ *store, c *changes) error {
		c.count(kindNameIgnored)
		c.then(func() { x.ignored(r, why) })
		return nil
	}
}

// decodePatiently decodes a record's outcome. Only what the bytes say is an error: a registry that is away is waited for until ctx ends.
func (x *outcomeIndex) decodePatiently(ctx context.Context, r record) (foldlog.Outcome, error) {
	for pause := decodePause; ; pause = min(2*pause, maxDecodePause) {
		outcome, err := x.decodeSafely(ctx, r.value)
		var undecodable *codecs.Undecodable
		if err == nil || errors.As(err, &undecodable) || ctx.Err() != nil {
			return outcome, err
		}
		x.retried(r, err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// decodeSafely decodes in a goroutine that belongs to Goka: a panic there would end the process, and again after every start.
func (x *outcomeIndex) decodeSafely(ctx context.Context, value []byte) (outcome foldlog.Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &codecs.Undecodable{Raw: value, Cause: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	return x.decode(ctx, value)
}

// stage indexes the outcome unless it is a repeat, or there is an earlier one within the horizon of it, which stands.
func (x *outcomeIndex) stage(s *store, c *changes, id outcomeID, outcome foldlog.Outcome, value []byte) error {
	if outcome.Repeat {
		c.count(kindNameRepeat)
		return nil
	}
	key := id.key()
	have, err := c.get(s, key)
	if err != nil {
		return err
	}
	if have != nil {
		recordedAt, _, err := splitOutcome(have)
		if err != nil {
			return err
		}
		if outcome.RecordedAt.Sub(recordedAt) <= x.horizon && !planted.Has(planted.LaterOutcomeWins) {
			c.count(kindNameRepeat)
			return nil
		}
		c.remove(id.timeKey(recordedAt))
	}
	c.count(kindNameOutcome)
	if x.expired(outcome.RecordedAt) {
		if have != nil {
			c.remove(key)
		}
		return nil
	}
	c.put(key, joinOutcome(outcome.RecordedAt, value))
	c.put(id.timeKey(outcome.RecordedAt), nil)
	return nil
}

// joinOutcome is how an outcome is stored: when it was recorded, to know the horizon without decoding, then the record's value.
func joinOutcome(recordedAt time.Time, value []byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(value)), uint64(recordedAt.UnixMicro())), value...)
}

func splitOutcome(stored []byte) (recordedAt time.Time, value []byte, err error) {
	if len(stored) < 8 {
		return time.Time{}, nil, fmt.Errorf("%w: outcome of %d bytes", errDamaged, len(stored))
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(stored))).UTC(), stored[8:], nil
}
