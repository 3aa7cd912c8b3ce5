package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/kit"
)

// remember notes an outcome, to be compared with the others of its command id when all are known.
func (c *partitionCheck) remember(m *moment, a *answer) error {
	o := &a.outcome
	asked := o.RecordedAt
	if m.command != nil {
		asked = m.command.RecordedAt
	}
	return c.answers.add(answered{
		id: digestOf(o.AggregateID, o.CommandID), offset: a.record.Offset, first: o.FirstVersion, version: o.Version,
		recorded: o.RecordedAt.UnixMicro(), asked: asked.UnixMicro(), accepted: o.Accepted, repeat: o.Repeat, failed: o.Code == foldlog.CodeInternal,
	})
}

// checkRepeats checks that each command id has one outcome within the horizon, apart from failed
// attempts, and that a repeat equals the first one.
func (c *partitionCheck) checkRepeats(ctx context.Context, log *kit.Log) error {
	var before answered // the last one that is no repeat
	known := false
	return c.answers.each(func(a answered) error {
		known = known && before.id == a.id
		want, have := "", ""
		switch {
		case !a.repeat && known && !before.failed && time.Duration(a.asked-before.recorded)*time.Microsecond <= c.kit.Config.Settings.Horizon:
			want, have = fmt.Sprintf("one outcome of its command within the horizon; the first is at offset %d", before.offset), "a second one"
		case a.repeat && !known && c.outcomes.From == 0:
			want, have = "a first outcome of its command before its repeat", "none"
		case a.repeat && known && a.accepted && (!before.accepted || a.first != before.first || a.version != before.version):
			want = fmt.Sprintf("a copy of the outcome at offset %d: versions %d to %d", before.offset, before.first, before.version)
			have = fmt.Sprintf("versions %d to %d in that", a.first, a.version)
		}
		if !a.repeat {
			before, known = a, true
		}
		if want == "" {
			return nil
		}
		place, err := c.outcomeAt(ctx, log, a.offset)
		if err != nil {
			return err
		}
		if id := place.outcome.CommandID; id != "" {
			have += fmt.Sprintf(" of command %q", id)
		}
		c.ofAnswer(&place, kit.CheckOutcome, want, have)
		return nil
	})
}

// outcomeAt reads an outcome again, for the parts that were not remembered. If the report is full
// or the outcome is beyond retention by now, it returns only the place.
func (c *partitionCheck) outcomeAt(ctx context.Context, log *kit.Log, offset int64) (a answer, err error) {
	s := kit.Span{Topic: c.outcomes.Topic, Partition: c.partition, From: offset, To: offset + 1}
	a.record = record.Record{Topic: s.Topic, Partition: s.Partition, Offset: offset}
	if c.found.full() {
		return a, nil
	}
	r, err := log.Last(ctx, s)
	if r == nil || err != nil {
		if errors.Is(err, kafkalog.ErrMoved) {
			err = nil
		}
		return a, err
	}
	a.record = *r
	if a.outcome, err = c.folds.Codec.DecodeOutcome(ctx, r.Value); kit.Undecodable(err) {
		a.outcome, err = foldlog.Outcome{}, nil
	}
	return a, err
}
