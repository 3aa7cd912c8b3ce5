package backup

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// consistentCut is a state that the whole system could have been in at one moment. An archive holds
// such a state. It is a place in each log of commands: everything that follows from the commands
// before that place belongs to it, and nothing else. It is consistent if everything in it has its
// cause: no handled command of a policy is in it without the event that it follows from.
type consistentCut struct {
	start, end kit.Offsets
	// handled is, by aggregate type and partition, the place: the offset of the first command that
	// was not handled.
	handled map[string][]int64
	// answered is, by policy, the offset up to which it had answered the events of its source; -1
	// if it never ran. It was looked at after handled was, and before end: all commands that it
	// sent for the events before are in the log of commands.
	answered map[string][]int64
}

func (c *consistentCut) span(topic string, partition int32) kit.Span {
	return c.start.Span(topic, partition, c.end)
}

// takeCut decides how far the export goes.
func (x *exporting) takeCut(ctx context.Context) (err error) {
	n, t := x.kit.Names, x.kit.Config.Topology
	topics := x.kit.LogTopics()
	if err := x.kit.CheckTopics(ctx, topics); err != nil {
		return err
	}
	c := &consistentCut{answered: map[string][]int64{}}
	x.cut = c
	if c.start, err = x.kit.Starts(ctx, topics...); err != nil {
		return err
	}
	earlier, err := x.handled(ctx)
	if err != nil {
		return err
	}
	if c.handled, err = x.handled(ctx); err != nil {
		return err
	}
	for _, p := range t.Policies {
		if c.answered[p.Name], err = x.kit.Committed(ctx, n.Group(p.Name), n.Events(p.Source)); err != nil {
			return err
		}
	}
	if c.end, err = x.kit.Ends(ctx, topics...); err != nil {
		return err
	}
	if err := x.kit.AwaitDecided(ctx, c.end); err != nil {
		return err
	}
	// nothing happened in between, so both are of one moment
	if maps.EqualFunc(earlier, c.handled, slices.Equal) {
		return nil
	}
	return x.agree(ctx, earlier)
}

// handled returns the place up to which every aggregate type has handled its commands. If a group
// has no offset, the place follows from the group's output.
func (x *exporting) handled(ctx context.Context) (map[string][]int64, error) {
	all := map[string][]int64{}
	for _, a := range x.kit.Config.Topology.Aggregates {
		commands := x.kit.Names.Commands(a.Name)
		committed, err := x.kit.Committed(ctx, x.kit.Names.Group(a.Name), commands)
		if err != nil {
			return nil, err
		}
		for p, at := range committed {
			if at < x.cut.start[commands][p] {
				if committed[p], err = x.handledByOutput(ctx, a, int32(p)); err != nil {
					return nil, err
				}
			}
		}
		all[a.Name] = committed
	}
	return all, nil
}

func (x *exporting) handledByOutput(ctx context.Context, spec *topology.AggregateSpec, partition int32) (int64, error) {
	ends, err := x.kit.Ends(ctx, x.kit.Names.Outcomes(spec.Name), x.kit.Names.Events(spec.Name))
	if err != nil {
		return 0, err
	}
	var at int64
	err = x.kit.WithLog(func(log *kit.Log) (err error) {
		at, _, err = log.AnsweredUpTo(ctx, spec, partition, x.cut.start, ends)
		return err
	})
	return max(at, x.cut.start[x.kit.Names.Commands(spec.Name)][partition]), err
}

// sent is a command of a policy, and the event that it follows from.
type sent struct {
	at    foldlog.Position
	event string
}

// agree takes back handled commands without their cause. The groups' offsets were read one after
// another. Offsets read before some moment are no later than the system's state at that moment, and
// offsets read after it are no earlier. So only commands in between can lack their cause. The first
// such command of a partition and all after it are left out, until there is none.
func (x *exporting) agree(ctx context.Context, earlier map[string][]int64) error {
	var mu sync.Mutex
	// Events that may be left out, with the command that each follows from.
	caused := map[string]foldlog.Position{}
	var all []sent
	err := x.kit.EachPartition(ctx, func(ctx context.Context, log *kit.Log, a *topology.AggregateSpec, p int32) error {
		from, topic := earlier[a.Name][p], x.kit.Names.Commands(a.Name)
		events, err := x.eventsSince(ctx, log, a, p, from)
		if err != nil {
			return err
		}
		var commands []sent
		s := kit.Span{Topic: topic, Partition: p, From: max(from, x.cut.start[topic][p]), To: x.cut.handled[a.Name][p]}
		err = x.eachSent(ctx, log, a, s, func(_ string, c sent) error {
			commands = append(commands, c)
			return nil
		})
		mu.Lock()
		defer mu.Unlock()
		maps.Copy(caused, events)
		all = append(all, commands...)
		return err
	})
	if err != nil {
		return err
	}
	withCauses(x.cut.handled, all, caused)
	return nil
}

// withCauses lowers the places in handled, by aggregate type and partition, until no handled
// command has a cause that follows from an unhandled one. caused lacks the events that are exported
// in any case.
func withCauses(handled map[string][]int64, commands []sent, caused map[string]foldlog.Position) {
	for again := true; again; {
		again = false
		for _, c := range commands {
			to := &handled[c.at.Aggregate][c.at.Partition]
			if cause, found := caused[c.event]; found && c.at.Offset < *to && cause.Offset >= handled[cause.Aggregate][cause.Partition] {
				*to, again = c.at.Offset, true
			}
		}
	}
}

// eventsSince returns the events that follow from the commands of a partition from an offset on: by
// id, the command's place. They are at the end.
func (x *exporting) eventsSince(ctx context.Context, log *kit.Log, spec *topology.AggregateSpec, partition int32, from int64) (map[string]foldlog.Position, error) {
	topic, codec := x.kit.Names.Events(spec.Name), x.kit.Config.Codecs.Aggregate(spec.Name)
	for window := int64(1024); ; window *= 4 {
		s := kit.Span{Topic: topic, Partition: partition, From: max(x.cut.end[topic][partition]-window, 0), To: x.cut.end[topic][partition]}
		found, reached := map[string]foldlog.Position{}, s.From == 0
		for r, err := range log.Records(ctx, s) {
			if err != nil {
				return nil, err
			}
			cause, err := kit.CauseOf(r)
			if err != nil || cause.Offset < from {
				reached = true
				continue
			}
			e, err := codec.DecodeEventEnvelope(ctx, r.Value)
			if err != nil {
				return nil, err
			}
			found[e.EventID] = cause
		}
		if reached {
			return found, nil
		}
	}
}

// eachSent calls visit with the commands in a span that policies sent.
func (x *exporting) eachSent(ctx context.Context, log *kit.Log, spec *topology.AggregateSpec, s kit.Span, visit func(policy string, c sent) error) error {
	codec := x.kit.Config.Codecs.Aggregate(spec.Name)
	for r, err := range log.Records(ctx, s) {
		if err != nil {
			return err
		}
		policy, c, sent, err := sentBy(ctx, codec, r)
		if err == nil && sent {
			err = visit(policy, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sentBy returns the policy that wrote a command, and the event that the command follows from. It
// reports whether a policy wrote it.
func sentBy(ctx context.Context, codec *codecs.Aggregate, r *record.Record) (policy string, c sent, is bool, err error) {
	if policy, is = strings.CutPrefix(string(r.Header(codecs.HeaderActor)), codecs.PolicyActorPrefix); !is {
		return "", c, false, nil
	}
	command, err := codec.DecodeCommandUnhashed(ctx, *r)
	if kit.Undecodable(err) {
		return "", c, false, nil
	}
	return policy, sent{foldlog.Position{Aggregate: codec.Spec().Name, Partition: r.Partition, Offset: r.Offset}, command.CausationID}, err == nil, err
}
