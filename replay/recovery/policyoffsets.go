package recovery

import (
	"context"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// policyReplies are the replies of a policy: its commands in the log.
type policyReplies struct {
	kit  *kit.Reader
	log  *kit.Log
	spec *topology.PolicySpec
	ends []int64 // of its events, by partition
	// events are the ids of those that it has answered.
	events *kit.Shelf[[]byte]
	// since is the time after which the log of commands is complete: every command for a later
	// event is in it.
	since time.Time
	// first is the time of the first event that it is known to have answered.
	first time.Time
	// after is, by partition, the offset after the last event that it is known to have answered; 0
	// if there is none.
	after []int64
}

var never = time.Unix(math.MaxInt32*100, 0)

// policyOffsets returns the offsets that a policy's group lacks. A policy handles the events of a
// partition in their order, and names the event in each command that it sends. So in a partition it
// goes on after the last event that it has answered. If it has answered none, it goes on at the
// first event that is later than any that it may have answered already, or that was there before
// the policy: a command is neither sent again for an old event nor lost.
func (v *recovery) policyOffsets(ctx context.Context, spec *topology.PolicySpec) (offsets kadm.Offsets, err error) {
	group, events := v.kit.Names.Group(spec.Name), v.kit.Names.Events(spec.Source)
	committed, err := v.kit.Committed(ctx, group, events)
	if err != nil {
		return nil, err
	}
	missing := map[int32]bool{}
	for p, at := range committed {
		if at < 0 || at > v.ends[events][p] {
			missing[int32(p)] = true
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	b := v.kit.Budget()
	defer b.Close()
	bytes := func(id []byte) ([]byte, error) { return id, nil }
	err = v.kit.WithLog(func(log *kit.Log) error {
		r := &policyReplies{kit: v.kit, log: log, spec: spec, ends: v.ends[events], events: kit.NewShelf(b, "answered", 0, bytes, bytes),
			after: make([]int64, len(committed)), first: never}
		if err := r.readCommands(ctx); err != nil {
			return err
		}
		if err := r.findEvents(ctx); err != nil {
			return err
		}
		for p := range int32(len(committed)) {
			if !missing[p] {
				continue
			}
			at, why, err := r.next(ctx, p)
			if err != nil {
				return err
			}
			offsets.AddOffset(events, p, at, -1)
			v.note("group %s goes on at %s/%d/%d, %s", group, events, p, at, why)
		}
		return nil
	})
	return offsets, err
}

// readCommands reads which events the policy has answered, as far as commands are kept.
func (r *policyReplies) readCommands(ctx context.Context) error {
	for _, target := range r.spec.Sends {
		topic, codec := r.kit.Names.Commands(target), r.kit.Config.Codecs.Aggregate(target)
		starts, err := r.kit.Starts(ctx, topic)
		if err != nil {
			return err
		}
		ends, err := r.kit.Ends(ctx, topic)
		if err != nil {
			return err
		}
		for p := range ends[topic] {
			if err := r.readCommandsOf(ctx, codec, starts.Span(topic, int32(p), ends)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *policyReplies) readCommandsOf(ctx context.Context, codec *codecs.Aggregate, commands kit.Span) error {
	if commands.From > 0 && commands.Size() == 0 { // all of it is beyond the retention
		r.since = kit.Later(r.since, time.Now().Add(-r.kit.Config.Settings.CommandRetention))
	}
	first, actor := true, codecs.PolicyActorPrefix+r.spec.Name
	for rec, err := range r.log.Records(ctx, commands) {
		if err != nil {
			return err
		}
		if first && commands.From > 0 {
			r.since = kit.Later(r.since, rec.Timestamp)
		}
		if first = false; string(rec.Header(codecs.HeaderActor)) != actor {
			continue
		}
		command, err := codec.DecodeCommandUnhashed(ctx, *rec)
		if err == nil {
			err = r.events.Put(command.CausationID, nil)
		}
		if err != nil && !kit.Undecodable(err) { // else not one that the policy wrote
			return err
		}
	}
	return nil
}

// eachEvent calls visit with the events of a partition until it returns false.
func (r *policyReplies) eachEvent(ctx context.Context, partition int32, visit func(e *kit.LoggedEvent) (bool, error)) error {
	codec := r.kit.Config.Codecs.Aggregate(r.spec.Source)
	for rec, err := range r.log.Records(ctx, kit.Span{Topic: r.kit.Names.Events(r.spec.Source), Partition: partition, To: r.ends[partition]}) {
		if err != nil {
			return err
		}
		e, err := kit.DecodeEvent(ctx, codec, rec)
		if err != nil {
			return err
		}
		if more, err := visit(e); err != nil || !more {
			return err
		}
	}
	return nil
}

// findEvents finds the places of the events that the policy has answered.
func (r *policyReplies) findEvents(ctx context.Context) error {
	for p := range r.after {
		err := r.eachEvent(ctx, int32(p), func(e *kit.LoggedEvent) (bool, error) {
			_, answered, err := r.events.Get(e.Event.EventID)
			if answered {
				r.after[p] = e.Record.Offset + 1
				if e.Event.RecordedAt.Before(r.first) {
					r.first = e.Event.RecordedAt
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

// next returns the place at which the policy goes on in a partition, and the reason.
func (r *policyReplies) next(ctx context.Context, partition int32) (at int64, why string, err error) {
	if r.after[partition] > 0 {
		return r.after[partition], "after the last event that it has answered", nil
	}
	from := r.since
	if !r.spec.Beginning {
		from = kit.Later(r.first, r.since)
	}
	at = r.ends[partition]
	err = r.eachEvent(ctx, partition, func(e *kit.LoggedEvent) (bool, error) {
		if e.Event.RecordedAt.Before(from) {
			return true, nil
		}
		at = e.Record.Offset
		return false, nil
	})
	return at, "since it has answered no event of the partition, and earlier ones may have been answered or were there before it", err
}
