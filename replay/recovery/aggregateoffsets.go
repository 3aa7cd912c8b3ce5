package recovery

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// planOffsets decides where the groups of aggregates and policies go on. An existing, possible
// offset is kept: it was committed with its effect. A missing one follows from the group's output.
func (v *recovery) planOffsets(ctx context.Context) (map[string]kadm.Offsets, error) {
	planned := map[string]kadm.Offsets{}
	for _, a := range v.kit.Config.Topology.Aggregates {
		offsets, err := v.aggregateOffsets(ctx, a)
		if err != nil {
			return nil, err
		}
		planned[v.kit.Names.Group(a.Name)] = offsets
	}
	for _, p := range v.kit.Config.Topology.Policies {
		offsets, err := v.policyOffsets(ctx, p)
		if err != nil {
			return nil, err
		}
		planned[v.kit.Names.Group(p.Name)] = offsets
	}
	return planned, nil
}

func (v *recovery) note(format string, args ...any) {
	v.done.Offsets = append(v.done.Offsets, fmt.Sprintf(format, args...))
}

// aggregateOffsets returns the offsets that an aggregate's group lacks. Commands are handled in
// order and each leads to an outcome, so it goes on after the last command that has one.
func (v *recovery) aggregateOffsets(ctx context.Context, spec *topology.AggregateSpec) (kadm.Offsets, error) {
	group, commands, outcomes, events := v.kit.Names.Group(spec.Name), v.kit.Names.Commands(spec.Name), v.kit.Names.Outcomes(spec.Name), v.kit.Names.Events(spec.Name)
	committed, err := v.kit.Committed(ctx, group, commands)
	if err != nil {
		return nil, err
	}
	starts, err := v.kit.Starts(ctx, commands, outcomes, events)
	if err != nil {
		return nil, err
	}
	ends, err := v.kit.Ends(ctx, commands, outcomes, events)
	if err != nil {
		return nil, err
	}
	if err := v.kit.AwaitDecided(ctx, ends); err != nil {
		return nil, err
	}
	var offsets kadm.Offsets
	for p := range int32(v.kit.Config.Settings.Partitions) {
		var answered int64
		var known bool
		err := v.kit.WithLog(func(log *kit.Log) (err error) {
			answered, known, err = log.AnsweredUpTo(ctx, spec, p, starts, ends)
			return err
		})
		if err != nil {
			return nil, err
		}
		have, first, end := committed[p], starts[commands][p], ends[commands][p]
		v.handled[spec.Name] = append(v.handled[spec.Name], kit.Span{Topic: commands, Partition: p, From: first, To: max(have, answered, first)})
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
