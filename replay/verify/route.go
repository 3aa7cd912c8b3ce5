package verify

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// hashSeed is of this process, so nobody can make records that collide.
var hashSeed = maphash.MakeSeed()

// mark identifies a sequence of records: how many, and a hash over all of them.
type mark struct {
	count int64
	hash  uint64
}

// add returns the mark of the sequence with one more record.
func (m mark) add(r *record.Record, key string) mark {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	var before [8]byte
	binary.BigEndian.PutUint64(before[:], m.hash)
	_, _ = h.Write(before[:]) // a hash takes everything
	_, _ = h.WriteString(key)
	_ = h.WriteByte(0)
	_, _ = h.Write(r.Header(codecs.HeaderCause))
	_ = h.WriteByte(0)
	_, _ = h.Write(r.Value)
	return mark{m.count + 1, h.Sum64()}
}

// route is the events that one partition sends to the partitions of a re-keyed projection. Each of
// them must have these in the order of the events; the events of several partitions may be
// interleaved in any way. So a mark for each pair of partitions decides, and nothing need be
// remembered.
type route struct {
	spec      *topology.ProjectionSpec
	partition int32
	low, high int64 // as in table, of the group that fills the topic
	marks     []mark
	// allowed has, for each target, the sequences that it may have; more than one if the group
	// was at work while it was looked at.
	allowed [][]mark
}

func (v *verification) newRoute(spec *topology.ProjectionSpec, partition int32) *route {
	group, n := v.kit.Names.RekeyGroup(spec.ID()), v.kit.Config.Settings.Partitions
	r := &route{
		spec: spec, partition: partition, low: max(v.snapshot.before[group][partition], 0), high: max(v.snapshot.after[group][partition], 0),
		marks: make([]mark, n), allowed: make([][]mark, n),
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.routes[spec.ID()] == nil {
		v.routes[spec.ID()] = make([]*route, n)
	}
	v.routes[spec.ID()][partition] = r
	return r
}

// add sends an event to the partition of its row.
func (r *route) add(e *kit.LoggedEvent) {
	if e.Record.Offset >= r.high {
		return
	}
	key := kit.KeyOf(r.spec, e.Event)
	if key == "" {
		return
	}
	q := topology.PartitionOf([]byte(key), len(r.marks))
	if e.Record.Offset >= r.low {
		r.allow(q)
	}
	r.marks[q] = r.marks[q].add(&e.Record, key)
}

// allow notes that a target may have the events that were sent so far, and no more.
func (r *route) allow(q int32) { r.allowed[q] = append(r.allowed[q], r.marks[q]) }

// close says that all events were sent.
func (r *route) close() {
	for q := range r.marks {
		r.allow(int32(q))
	}
}

// permits reports whether a target may have a sequence.
func (r *route) permits(q int32, have mark) bool { return slices.Contains(r.allowed[q], have) }

// compareRoutes compares the events that partitions sent with those of the re-keyed topics. If they
// differ, both are read again to find the place.
func (v *verification) compareRoutes(ctx context.Context) error {
	var differing []kit.Work
	for _, spec := range v.kit.Config.Topology.Projections {
		for p, r := range v.routes[spec.ID()] {
			for q, have := range v.carried[spec.ID()] {
				if r != nil && have != nil && !r.permits(int32(q), have[p]) {
					differing = append(differing, func(ctx context.Context, log *kit.Log) error { return v.locate(ctx, log, r, int32(q)) })
				}
			}
		}
	}
	return v.kit.Each(ctx, differing)
}

// locate reports the place at which a re-keyed partition differs from the events that one partition
// sent to it.
func (v *verification) locate(ctx context.Context, log *kit.Log, r *route, q int32) error {
	source := v.kit.Config.Codecs.Aggregate(r.spec.Source)
	events, carried := v.snapshot.span(v.kit.Names.Events(r.spec.Source), r.partition), v.snapshot.span(v.kit.Names.RekeyedTopic(r.spec.ID()), q)
	events.To = min(events.To, r.high)
	sent, got := log.Stream(ctx, events), log.Stream(ctx, carried)
	defer sent.Close()
	defer got.Close()
	next := func(s *kit.Stream, belongs func(e *kit.LoggedEvent) bool) *kit.LoggedEvent {
		for rec := s.Peek(); rec != nil; rec = s.Peek() {
			e, err := kit.DecodeEvent(ctx, source, rec)
			if s.Pop(); err == nil && belongs(e) {
				return e
			}
		}
		return nil
	}
	nextSent := func() *kit.LoggedEvent {
		return next(sent, func(e *kit.LoggedEvent) bool {
			key := kit.KeyOf(r.spec, e.Event)
			return key != "" && topology.PartitionOf([]byte(key), len(r.marks)) == q
		})
	}
	nextGot := func() *kit.LoggedEvent {
		return next(got, func(e *kit.LoggedEvent) bool {
			cause, err := kit.CauseOf(&e.Record)
			return err == nil && cause.Partition == r.partition && !kit.IsProgress(e.Record.Key)
		})
	}
	found := func(e *kit.LoggedEvent, key, want, have string) {
		f := e.Finding(r.spec.ID()).Says(kit.CheckRekey, want, have)
		f.Key = key
		v.found.add(f)
	}
	s, g := nextSent(), nextGot()
	for s != nil || g != nil {
		switch order := compareSent(s, g); {
		case order < 0:
			if s.Record.Offset < r.low {
				found(s, kit.KeyOf(r.spec, s.Event), fmt.Sprintf("the event in %s/%d", carried.Topic, q), "none at its place")
			}
			s = nextSent()
		case order > 0:
			found(g, string(g.Record.Key), fmt.Sprintf("the events of %s/%d, each once and in their order", events.Topic, r.partition),
				"event "+g.Event.EventID+", which does not belong here")
			g = nextGot()
		default:
			if key := kit.KeyOf(r.spec, s.Event); key != string(g.Record.Key) || string(s.Record.Value) != string(g.Record.Value) {
				found(g, string(g.Record.Key), fmt.Sprintf("the event at %s/%d/%d under the key %q", events.Topic, r.partition, s.Record.Offset, key), "another one")
			}
			s, g = nextSent(), nextGot()
		}
	}
	return errors.Join(sent.Err, got.Err)
}

// compareSent compares the places of two events of one source partition: by command, and then by
// version. One that is missing comes last.
func compareSent(a, b *kit.LoggedEvent) int {
	switch {
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	x, _ := kit.CauseOf(&a.Record) // both were read before
	y, _ := kit.CauseOf(&b.Record)
	return cmp.Or(cmp.Compare(x.Offset, y.Offset), cmp.Compare(a.Event.Version, b.Event.Version))
}
