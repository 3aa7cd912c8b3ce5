package replay

import (
	"context"
	"errors"
	"strings"

	"github.com/foldlog/foldlog/archive"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/topology"
)

// sentBy returns what a policy's command follows from; known is false where it is not one that a
// policy wrote.
func (x *exporting) sentBy(ctx context.Context, codec *codecs.Aggregate, r *record.Record) (c sent, known bool, err error) {
	command, err := codec.DecodeCommandUnhashed(ctx, *r)
	if undecodable := (*codecs.Undecodable)(nil); errors.As(err, &undecodable) {
		return c, false, nil
	}
	return sent{event: command.CausationID}, err == nil, err
}

// pendingOf returns the commands of a partition that were not handled.
func (x *exporting) pendingOf(aggregate string, partition int32) span {
	topic := x.names.Commands(aggregate)
	return span{topic, partition, max(x.cut.handled[aggregate][partition], x.cut.start[topic][partition]), x.cut.end[topic][partition]}
}

// findAgain finds the commands that were not handled, and that a policy will send again where the
// archive is restored: those for events that it had not answered as of the cut. They must not be in
// the archive, or they would be there twice.
func (x *exporting) findAgain(ctx context.Context) error {
	b := x.budget()
	defer b.close()
	id := func(id []byte) ([]byte, error) { return id, nil }
	// policy, zero byte, event id
	waiting, some := newShelf(b, "pending", id, id), map[string]bool{}
	return x.each(ctx, []work{func(ctx context.Context, log *kafkalog.Log) error {
		for _, a := range x.config.Topology.Aggregates {
			for p := range int32(x.config.Settings.Partitions) {
				err := x.eachSent(ctx, log, a, x.pendingOf(a.Name, p), func(policy string, c sent) error {
					some[policy] = true
					return waiting.put(policy+"\x00"+c.event, nil)
				})
				if err != nil {
					return err
				}
			}
		}
		for _, spec := range x.config.Topology.Policies {
			if !some[spec.Name] {
				continue
			}
			for p := range int32(x.config.Settings.Partitions) {
				if err := x.findAgainIn(ctx, log, spec, p, waiting); err != nil {
					return err
				}
			}
		}
		return nil
	}})
}

func (x *exporting) findAgainIn(ctx context.Context, log *kafkalog.Log, spec *topology.PolicySpec, partition int32, waiting *shelf[[]byte]) error {
	topic, codec := x.names.Events(spec.Source), x.config.Codecs.Aggregate(spec.Source)
	answered := x.cut.answered[spec.Name][partition]
	if answered < 0 {
		return nil
	}
	st := x.open(ctx, log, span{topic, partition, min(answered, x.stop[spec.Source][partition]), x.cut.end[topic][partition]})
	defer st.close()
	for r := st.peek(); r != nil; r = st.peek() {
		e, err := codec.DecodeEventEnvelope(ctx, r.Value)
		if err != nil {
			return err
		}
		key := spec.Name + "\x00" + e.EventID
		if _, found, err := waiting.get(key); err != nil {
			return err
		} else if found {
			x.again[key] = true
		}
		st.pop()
	}
	return st.err
}

// exportPending writes the commands of a partition that were not handled, but those that are sent
// again.
func (x *exporting) exportPending(ctx context.Context, log *kafkalog.Log, spec *topology.AggregateSpec, partition int32) error {
	w := x.archive.Writer(archive.Pending, spec.Name, partition, x.number)
	defer w.Abandon()
	codec := x.config.Codecs.Aggregate(spec.Name)
	st := x.open(ctx, log, x.pendingOf(spec.Name, partition))
	defer st.close()
	for r := st.peek(); r != nil; r = st.peek() {
		again := false
		if policy, is := strings.CutPrefix(string(r.Header(codecs.HeaderActor)), codecs.PolicyActorPrefix); is {
			c, known, err := x.sentBy(ctx, codec, r)
			if err != nil {
				return err
			}
			again = known && x.again[policy+"\x00"+c.event]
		}
		if !again {
			if err := x.writeCommand(ctx, w, codec, r); err != nil {
				return err
			}
			x.ends[spec.Name][partition].Pending++
		}
		st.pop()
	}
	if st.err != nil {
		return st.err
	}
	return w.Close()
}
