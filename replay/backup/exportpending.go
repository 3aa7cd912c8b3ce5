package backup

import (
	"context"

	"github.com/foldlog/foldlog/replay/backup/archive"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// pendingOf returns the commands of a partition that were not handled.
func (x *exporting) pendingOf(aggregate string, partition int32) kit.Span {
	topic := x.kit.Names.Commands(aggregate)
	s := x.cut.span(topic, partition)
	s.From = max(s.From, x.cut.handled[aggregate][partition])
	return s
}

// findAgain finds the commands that were not handled, and that a policy will send again if the
// archive is restored: those for events that it had not answered as of the cut. They must not be in
// the archive, or they would be there twice.
func (x *exporting) findAgain(ctx context.Context) error {
	b := x.kit.Budget()
	defer b.Close()
	id := func(id []byte) ([]byte, error) { return id, nil }
	waiting, some := kit.NewShelf(b, "pending", 0, id, id), map[string]bool{}
	return x.kit.WithLog(func(log *kit.Log) error {
		for _, a := range x.kit.Config.Topology.Aggregates {
			for p := range int32(x.kit.Config.Settings.Partitions) {
				err := x.eachSent(ctx, log, a, x.pendingOf(a.Name, p), func(policy string, c sent) error {
					some[policy] = true
					return waiting.Put(againKey(policy, c.event), nil)
				})
				if err != nil {
					return err
				}
			}
		}
		for _, spec := range x.kit.Config.Topology.Policies {
			if !some[spec.Name] {
				continue
			}
			for p := range int32(x.kit.Config.Settings.Partitions) {
				if err := x.findAgainIn(ctx, log, spec, p, waiting); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (x *exporting) findAgainIn(ctx context.Context, log *kit.Log, spec *topology.PolicySpec, partition int32, waiting *kit.Shelf[[]byte]) error {
	topic, codec := x.kit.Names.Events(spec.Source), x.kit.Config.Codecs.Aggregate(spec.Source)
	answered := x.cut.answered[spec.Name][partition]
	if answered < 0 {
		return nil
	}
	for r, err := range log.Records(ctx, kit.Span{Topic: topic, Partition: partition, From: min(answered, x.stop[spec.Source][partition]), To: x.cut.end[topic][partition]}) {
		if err != nil {
			return err
		}
		e, err := codec.DecodeEventEnvelope(ctx, r.Value)
		if err != nil {
			return err
		}
		key := againKey(spec.Name, e.EventID)
		if _, found, err := waiting.Get(key); err != nil {
			return err
		} else if found {
			x.again[key] = true
		}
	}
	return nil
}

// againKey identifies the commands of a policy for an event.
func againKey(policy, eventID string) string { return policy + "\x00" + eventID }

// exportPending writes the commands of a partition that were not handled, but those that are sent
// again.
func (x *exporting) exportPending(ctx context.Context, log *kit.Log, spec *topology.AggregateSpec, partition int32) error {
	w := x.archive.Writer(archive.Pending, spec.Name, partition, x.number)
	defer w.Abandon()
	codec := x.kit.Config.Codecs.Aggregate(spec.Name)
	for r, err := range log.Records(ctx, x.pendingOf(spec.Name, partition)) {
		if err != nil {
			return err
		}
		policy, c, is, err := sentBy(ctx, codec, r)
		if err != nil {
			return err
		}
		if is && x.again[againKey(policy, c.event)] {
			continue
		}
		if err := x.writeCommand(ctx, w, spec, r); err != nil {
			return err
		}
		x.ends[spec.Name][partition].Pending++
	}
	return w.Close()
}
