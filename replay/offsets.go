package replay

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/topology"
)

// planOffsets says where the groups of aggregates and policies go on. An offset that is there and
// can be is kept: it was committed with what it speaks of. One that is missing follows from what
// the group wrote.
func (v *recovery) planOffsets(ctx context.Context) (map[string]kadm.Offsets, error) {
	planned := map[string]kadm.Offsets{}
	for _, a := range v.config.Topology.Aggregates {
		offsets, err := v.aggregateOffsets(ctx, a)
		if err != nil {
			return nil, err
		}
		planned[v.names.Group(a.Name)] = offsets
	}
	for _, p := range v.config.Topology.Policies {
		offsets, err := v.policyOffsets(ctx, p)
		if err != nil {
			return nil, err
		}
		planned[v.names.Group(p.Name)] = offsets
	}
	return planned, nil
}

func (v *recovery) note(format string, args ...any) {
	v.done.Offsets = append(v.done.Offsets, fmt.Sprintf(format, args...))
}

// aggregateOffsets returns the offsets that an aggregate's group lacks. Commands are handled in
// order and each leads to an outcome, so it goes on after the last command that has one.
func (v *recovery) aggregateOffsets(ctx context.Context, spec *topology.AggregateSpec) (kadm.Offsets, error) {
	group, commands, outcomes, events := v.names.Group(spec.Name), v.names.Commands(spec.Name), v.names.Outcomes(spec.Name), v.names.Events(spec.Name)
	committed, err := v.committed(ctx, group, commands)
	if err != nil {
		return nil, err
	}
	starts, err := v.offsets(ctx, v.admin.ListStartOffsets, []string{commands, outcomes, events})
	if err != nil {
		return nil, err
	}
	ends, err := v.offsets(ctx, v.admin.ListEndOffsets, []string{commands, outcomes, events})
	if err != nil {
		return nil, err
	}
	if err := v.awaitDecided(ctx, ends); err != nil {
		return nil, err
	}
	var offsets kadm.Offsets
	for p := range int32(v.config.Settings.Partitions) {
		log, err := kafkalog.Open(v.config.Cluster)
		if err != nil {
			return nil, err
		}
		answered, known, err := v.answeredUpTo(ctx, log, spec, p, starts, ends)
		log.Close()
		if err != nil {
			return nil, err
		}
		have, first, end := committed[p], starts[commands][p], ends[commands][p]
		v.handled[spec.Name] = append(v.handled[spec.Name], span{commands, p, first, max(have, answered, first)})
		place := fmt.Sprintf("%s/%d", commands, p)
		switch {
		case answered > end || have > end:
			return nil, fmt.Errorf("%w: %s ends at offset %d, but commands up to offset %d were handled: it is not the log that outcomes and events follow from. "+
				"Restore it first", ErrUndecided, place, end, max(answered, have))
		case have >= answered && have >= 0:
			continue
		case have < 0 && !known && starts[outcomes][p] > 0 && max(answered, first) < end:
			return nil, fmt.Errorf("%w: group %s has no offset in %s, and the outcomes that would say what was handled are beyond their retention: "+
				"commands from offset %d on may have been refused already. Commit the group's offset by hand, then recover", ErrUndecided, group, place, max(answered, first))
		}
		offsets.AddOffset(commands, p, max(answered, first), -1)
		why := "after the last command that has an outcome"
		if answered == 0 {
			why = "where the log begins, since no command was handled"
		}
		if have >= 0 {
			why += fmt.Sprintf("; it was at %d", have)
		}
		v.note("group %s goes on at %s/%d, %s", group, place, max(answered, first), why)
	}
	return offsets, nil
}

// answeredUpTo returns the offset after the last command of a partition that has an outcome or an
// event, and whether it has outcomes at all.
func (r *reading) answeredUpTo(ctx context.Context, log *kafkalog.Log, spec *topology.AggregateSpec, p int32, starts, ends places) (at int64, outcomes bool, err error) {
	for _, topic := range []string{r.names.Outcomes(spec.Name), r.names.Events(spec.Name)} {
		last, err := r.tail(ctx, log, span{topic, p, starts[topic][p], ends[topic][p]})
		if err != nil {
			return 0, false, err
		}
		if last == nil {
			continue
		}
		cause, err := position(last.Header(codecs.HeaderCause))
		if err != nil || cause.Aggregate != spec.Name || cause.Partition != p {
			return 0, false, fmt.Errorf("%w: %s/%d/%d does not name its command", ErrDamaged, topic, p, last.Offset)
		}
		at, outcomes = max(at, cause.Offset+1), outcomes || topic == r.names.Outcomes(spec.Name)
	}
	return at, outcomes, nil
}

// tail returns the last committed record of a span, or nil.
func (r *reading) tail(ctx context.Context, log *kafkalog.Log, s span) (*record.Record, error) {
	for window := int64(256); ; window *= 8 {
		from := max(s.from, s.to-window)
		st := r.open(ctx, log, span{s.topic, s.partition, from, s.to})
		var last *record.Record
		for next := st.peek(); next != nil; next = st.peek() {
			found := *next
			last = &found
			st.pop()
		}
		err := st.err
		st.close()
		if err != nil || last != nil || from == s.from {
			return last, err
		}
	}
}
