package replay

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/topology"
)

// standing is a state of the whole system that it could have been in at one moment, of which an
// archive is made. It is a place in each log of commands: what follows from the commands before it
// belongs to it, and nothing else. That is consistent where nothing belongs to it without its
// cause: no command that a policy gave, and that was handled, without the event that it follows
// from.
type standing struct {
	start, end places
	// handled is, by aggregate type and partition, the place: the offset of the first command that
	// was not handled.
	handled map[string][]int64
	// answered is, by policy, up to where it had answered the events of its source; -1 where it
	// never ran. It was looked at after handled was, and before end: whatever it sent for the
	// events before is in the log of commands.
	answered map[string][]int64
}

// takeCut decides what is exported.
func (x *exporting) takeCut(ctx context.Context) (err error) {
	n, t := x.names, x.config.Topology
	var topics []string
	for _, a := range t.Aggregates {
		topics = append(topics, n.Commands(a.Name), n.Events(a.Name), n.Outcomes(a.Name))
	}
	if err := x.checkTopics(ctx, topics); err != nil {
		return err
	}
	c := &standing{answered: map[string][]int64{}}
	x.cut = c
	if c.start, err = x.offsets(ctx, x.admin.ListStartOffsets, topics); err != nil {
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
		if c.answered[p.Name], err = x.committed(ctx, n.Group(p.Name), n.Events(p.Source)); err != nil {
			return err
		}
	}
	if c.end, err = x.offsets(ctx, x.admin.ListEndOffsets, topics); err != nil {
		return err
	}
	if err := x.awaitDecided(ctx, c.end); err != nil {
		return err
	}
	// nothing happened in between, so both are of one moment
	if maps.EqualFunc(earlier, c.handled, slices.Equal) {
		return nil
	}
	return x.agree(ctx, earlier)
}

// handled returns which commands every aggregate type has handled. Where a group has no offset, it
// follows from what it wrote.
func (x *exporting) handled(ctx context.Context) (map[string][]int64, error) {
	all := map[string][]int64{}
	for _, a := range x.config.Topology.Aggregates {
		commands := x.names.Commands(a.Name)
		committed, err := x.committed(ctx, x.names.Group(a.Name), commands)
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
	ends, err := x.offsets(ctx, x.admin.ListEndOffsets, []string{x.names.Outcomes(spec.Name), x.names.Events(spec.Name)})
	if err != nil {
		return 0, err
	}
	log, err := kafkalog.Open(x.config.Cluster)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	at, _, err := x.answeredUpTo(ctx, log, spec, partition, x.cut.start, ends)
	return max(at, x.cut.start[x.names.Commands(spec.Name)][partition]), err
}

// sent is a command of a policy, and the event that it follows from.
type sent struct {
	foldlog.Position
	event string
}

// agree takes back what was handled without its cause. The offsets of the groups were looked at one
// after another; those that were looked at earlier are no later than one moment at which the system
// was in a state of its own, and those that were looked at then are no earlier. So only commands in
// between can be without their cause: the first one of a partition that is, and all after it, are
// left out, until there is none.
func (x *exporting) agree(ctx context.Context, earlier map[string][]int64) error {
	var mu sync.Mutex
	// events that may be left out: what command each follows from
	caused := map[string]foldlog.Position{}
	var all []sent
	var reads []work
	for _, a := range x.config.Topology.Aggregates {
		for p := range int32(x.config.Settings.Partitions) {
			from := earlier[a.Name][p]
			reads = append(reads, func(ctx context.Context, log *kafkalog.Log) error {
				events, err := x.eventsSince(ctx, log, a, p, from)
				if err != nil {
					return err
				}
				var commands []sent
				s := span{x.names.Commands(a.Name), p, max(from, x.cut.start[x.names.Commands(a.Name)][p]), x.cut.handled[a.Name][p]}
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
		}
	}
	if err := x.each(ctx, reads); err != nil {
		return err
	}
	withCauses(x.cut.handled, all, caused)
	return nil
}

// withCauses lowers what was handled, by aggregate type and partition, until no command that was
// has a cause that follows from one that was not. Of events that are in any case there the cause is
// not among those given.
func withCauses(handled map[string][]int64, commands []sent, caused map[string]foldlog.Position) {
	for again := true; again; {
		again = false
		for _, c := range commands {
			at := &handled[c.Aggregate][c.Partition]
			if cause, found := caused[c.event]; found && c.Offset < *at && cause.Offset >= handled[cause.Aggregate][cause.Partition] {
				*at, again = c.Offset, true
			}
		}
	}
}

// eventsSince returns the events that follow from the commands of a partition from an offset on: by
// id, the command's place. They are at the end.
func (x *exporting) eventsSince(ctx context.Context, log *kafkalog.Log, spec *topology.AggregateSpec, partition int32, from int64) (map[string]foldlog.Position, error) {
	topic, codec := x.names.Events(spec.Name), x.config.Codecs.Aggregate(spec.Name)
	for window := int64(1024); ; window *= 4 {
		s := span{topic, partition, max(x.cut.end[topic][partition]-window, 0), x.cut.end[topic][partition]}
		found, reached := map[string]foldlog.Position{}, s.from == 0
		st := x.open(ctx, log, s)
		for r := st.peek(); r != nil; r = st.peek() {
			if cause, err := st.position(); err == nil && cause.Offset >= from {
				e, err := codec.DecodeEventEnvelope(ctx, r.Value)
				if err != nil {
					st.close()
					return nil, err
				}
				found[e.EventID] = cause
			} else {
				reached = true
			}
			st.pop()
		}
		st.close()
		if st.err != nil || reached {
			return found, st.err
		}
	}
}

// eachSent calls visit with the commands in a span that policies sent.
func (x *exporting) eachSent(ctx context.Context, log *kafkalog.Log, spec *topology.AggregateSpec, s span, visit func(policy string, c sent) error) error {
	codec := x.config.Codecs.Aggregate(spec.Name)
	st := x.open(ctx, log, s)
	defer st.close()
	for r := st.peek(); r != nil; r = st.peek() {
		if policy, is := strings.CutPrefix(string(r.Header(codecs.HeaderActor)), codecs.PolicyActorPrefix); is {
			c, known, err := x.sentBy(ctx, codec, r)
			if err != nil {
				return err
			}
			if known {
				c.Position = foldlog.Position{Aggregate: spec.Name, Partition: s.partition, Offset: r.Offset}
				if err := visit(policy, c); err != nil {
					return err
				}
			}
		}
		st.pop()
	}
	return st.err
}
