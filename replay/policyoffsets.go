package replay

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/topology"
)

// fired is what the commands in the log say of a policy.
type fired struct {
	events *shelf[[]byte] // ids of the events that it has answered
	// since is from when on nothing is missing from the log of commands: what was sent for a later
	// event is in it.
	since time.Time
	// first is the time of the first event that it is known to have answered.
	first time.Time
	// after is, by partition, the offset after the last event that it is known to have answered; 0
	// where there is none.
	after []int64
}

// policyOffsets returns the offsets that a policy's group lacks. A policy handles the events of a
// partition in their order, and names the event in each command that it sends. So in a partition it
// goes on after the last event that it has answered. Where it has answered none, it goes on at the
// first event that is later than any that it may have answered already, or that was there before
// the policy: a command is neither sent again for an old event nor lost.
func (v *recovery) policyOffsets(ctx context.Context, spec *topology.PolicySpec) (kadm.Offsets, error) {
	group, events := v.names.Group(spec.Name), v.names.Events(spec.Source)
	committed, err := v.committed(ctx, group, events)
	if err != nil {
		return nil, err
	}
	missing := false
	for p, at := range committed {
		missing = missing || at < 0 || at > v.ends[events][p]
	}
	if !missing {
		return nil, nil
	}
	b := v.budget()
	defer b.close()
	f := &fired{after: make([]int64, len(committed)), first: never}
	bytes := func(id []byte) ([]byte, error) { return id, nil }
	f.events = newShelf(b, "fired", bytes, bytes)
	starts := make([]int64, len(committed))
	copy(starts, v.ends[events])
	var offsets kadm.Offsets
	err = v.each(ctx, []work{func(ctx context.Context, log *kafkalog.Log) error {
		if err := v.readFired(ctx, log, spec, f); err != nil {
			return err
		}
		if err := v.findFired(ctx, log, spec, f); err != nil {
			return err
		}
		for p, have := range committed {
			if have >= 0 && have <= v.ends[events][p] {
				continue
			}
			at, why, err := v.startOf(ctx, log, spec, f, int32(p))
			if err != nil {
				return err
			}
			offsets.AddOffset(events, int32(p), at, -1)
			v.note("group %s goes on at %s/%d/%d, %s", group, events, p, at, why)
		}
		return nil
	}})
	return offsets, err
}

// readFired reads which events the policy has answered, as far as commands are kept.
func (v *recovery) readFired(ctx context.Context, log *kafkalog.Log, spec *topology.PolicySpec, f *fired) error {
	actor := codecs.PolicyActorPrefix + spec.Name
	for _, target := range spec.Sends {
		topic, codec := v.names.Commands(target), v.config.Codecs.Aggregate(target)
		starts, err := v.offsets(ctx, v.admin.ListStartOffsets, []string{topic})
		if err != nil {
			return err
		}
		ends, err := v.offsets(ctx, v.admin.ListEndOffsets, []string{topic})
		if err != nil {
			return err
		}
		for p := range ends[topic] {
			commands := span{topic, int32(p), starts[topic][p], ends[topic][p]}
			if err := v.readFiredOf(ctx, log, codec, commands, actor, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *recovery) readFiredOf(ctx context.Context, log *kafkalog.Log, codec *codecs.Aggregate, commands span, actor string, f *fired) error {
	if commands.from > 0 && commands.size() == 0 { // all of it is beyond the retention
		f.since = later(f.since, time.Now().Add(-v.config.Settings.CommandRetention))
	}
	s := v.open(ctx, log, commands)
	defer s.close()
	for first := true; s.peek() != nil; first = false {
		r := s.peek()
		if first && commands.from > 0 {
			f.since = later(f.since, r.Timestamp)
		}
		if string(r.Header(codecs.HeaderActor)) == actor {
			command, err := codec.DecodeCommandUnhashed(ctx, *r)
			switch undecodable := (*codecs.Undecodable)(nil); {
			case errors.As(err, &undecodable): // not one that the policy wrote
			case err != nil:
				return err
			default:
				if err := f.events.put(command.CausationID, nil); err != nil {
					return err
				}
			}
		}
		s.pop()
	}
	return s.err
}

// eachEvent calls visit with the events of a partition until it returns false.
func (v *recovery) eachEvent(ctx context.Context, log *kafkalog.Log, source string, partition int32, visit func(e *happened) (bool, error)) error {
	codec := v.config.Codecs.Aggregate(source)
	s := v.open(ctx, log, v.whole(v.names.Events(source), partition))
	defer s.close()
	for r := s.peek(); r != nil; r = s.peek() {
		e, err := decodeSound(ctx, codec, r)
		if err != nil {
			return err
		}
		if more, err := visit(e); err != nil || !more {
			return err
		}
		s.pop()
	}
	return s.err
}

// findFired finds where the events stand that the policy has answered.
func (v *recovery) findFired(ctx context.Context, log *kafkalog.Log, spec *topology.PolicySpec, f *fired) error {
	for p := range f.after {
		err := v.eachEvent(ctx, log, spec.Source, int32(p), func(e *happened) (bool, error) {
			_, answered, err := f.events.get(e.event.EventID)
			if answered {
				f.after[p] = e.place.Offset + 1
				if e.event.RecordedAt.Before(f.first) {
					f.first = e.event.RecordedAt
				}
			}
			return true, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// startOf returns where the policy goes on in a partition.
func (v *recovery) startOf(ctx context.Context, log *kafkalog.Log, spec *topology.PolicySpec, f *fired, partition int32) (at int64, why string, err error) {
	events := v.names.Events(spec.Source)
	if f.after[partition] > 0 {
		return f.after[partition], "after the last event that it has answered", nil
	}
	from := f.first
	if spec.Beginning {
		from = time.Time{}
	}
	from = later(from, f.since)
	at = v.ends[events][partition]
	err = v.eachEvent(ctx, log, spec.Source, partition, func(e *happened) (bool, error) {
		if !e.event.RecordedAt.Before(from) {
			at = e.place.Offset
			return false, nil
		}
		return true, nil
	})
	why = "since it has answered no event of the partition, and earlier ones may have been answered or were there before it"
	return at, why, err
}
