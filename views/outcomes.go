package views

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/localdb"
	"github.com/foldlog/foldlog/topology"
)

// Outcomes are the outcomes of the commands to one aggregate type, by aggregate id and command id.
// It is safe for concurrent use.
type Outcomes struct {
	replica *replica
	index   *outcomeIndex
	pending *Expectations
}

// Get returns the first outcome of a command. ok is false if there is none yet, or if it is older
// than the horizon. It fails with ErrNotReady, and with a RowError if the outcome cannot be
// decoded.
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

// Expect registers for the outcomes of a command. Call it before the command is produced, so that
// none can be missed, and call [Expectation.Close] when done.
func (o *Outcomes) Expect(aggregateID, commandID string) *Expectation {
	return o.pending.Expect(aggregateID, commandID)
}

// outcomeIndex is the index of an outcomes topic.
type outcomeIndex struct {
	horizon    time.Duration
	now        func() time.Time
	unknownIDs *codecs.UnknownIDs
	decode     func(ctx context.Context, value []byte) (foldlog.Outcome, error)
	pending    *Expectations
	ignored    func(r record, why string)
	retried    func(r record, err error)
}

func (x *outcomeIndex) load(*store) error { return nil }
func (x *outcomeIndex) forget()           {}

func (x *outcomeIndex) expired(recordedAt time.Time) bool { return x.now().Sub(recordedAt) > x.horizon }

func (x *outcomeIndex) prepare(ctx context.Context, r record) (func(*store, *changes) error, error) {
	if r.key == "" || r.value == nil {
		return skip(r, "it has no key or no value", x.ignored), nil
	}
	outcome, err := patiently(ctx, r, x.unknownIDs, x.retried, x.decode)
	if ended := ctx.Err(); err != nil && ended != nil {
		return nil, ended
	}
	if err != nil {
		return skip(r, err.Error(), x.ignored), nil
	}
	id := outcomeID{r.key, outcome.CommandID}
	return func(s *store, c *changes) error {
		if err := x.stage(ctx, s, c, id, outcome, r.value); err != nil {
			return err
		}
		c.then(func() { x.pending.Arrived(r.key, r.cause, outcome) })
		return nil
	}, nil
}

// stage indexes the outcome unless it is a repeat. An earlier outcome within its horizon stands,
// unless it is [foldlog.CodeInternal]: that recorded nothing, so the next command with the id is a
// new attempt.
func (x *outcomeIndex) stage(ctx context.Context, s *store, c *changes, id outcomeID, outcome foldlog.Outcome, value []byte) error {
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
		recordedAt, value, err := splitOutcome(have)
		if err != nil {
			return err
		}
		before, err := x.decode(ctx, value)
		if err != nil {
			return err
		}
		if before.Code != foldlog.CodeInternal && outcome.RecordedAt.Sub(recordedAt) <= x.horizon {
			c.count(kindNameRepeat)
			return nil
		}
		if err := forgetOutcome(s, c, id, recordedAt); err != nil {
			return err
		}
	}
	c.count(kindNameOutcome)
	if x.expired(outcome.RecordedAt) {
		if have != nil {
			c.remove(key)
		}
		return nil
	}
	c.put(key, joinOutcome(outcome.RecordedAt, value))
	var traced traceIDs
	if len(outcome.EventIDs) == 0 { // else its events can be traced
		traced = traceIDsOf(outcome.CommandID, outcome.CorrelationID)
	}
	traced.each(outcome.RecordedAt, id.suffix(), func(key []byte) { c.put(key, nil) })
	c.put(id.timeKey(outcome.RecordedAt), traced)
	return nil
}

// forgetOutcome removes the entries of an outcome that another one replaces.
func forgetOutcome(s *store, c *changes, id outcomeID, recordedAt time.Time) error {
	timeKey := id.timeKey(recordedAt)
	traced, err := c.get(s, timeKey)
	if err != nil {
		return err
	}
	traceIDs(traced).each(recordedAt, id.suffix(), c.remove)
	c.remove(timeKey)
	return nil
}

// joinOutcome is the stored form of an outcome: the time when it was recorded, so that the horizon
// needs no decoding, then the record's value.
func joinOutcome(recordedAt time.Time, value []byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(value)), uint64(recordedAt.UnixMicro())), value...)
}

func splitOutcome(stored []byte) (recordedAt time.Time, value []byte, err error) {
	if len(stored) < 8 {
		return time.Time{}, nil, fmt.Errorf("%w: outcome of %d bytes", localdb.ErrDamaged, len(stored))
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(stored))).UTC(), stored[8:], nil
}
