package replay

import (
	"encoding/binary"
	"hash/maphash"
	"slices"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
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

// route is what one partition of events sends to the partitions of a re-keyed projection. Each of
// them must have it in the order of the events; how the events of several partitions are
// interleaved is free. So a mark for each pair of partitions decides, and nothing need be
// remembered.
type route struct {
	spec      *topology.ProjectionSpec
	partition int32
	low, high int64 // as in table, of the group that fills the topic
	marks     []mark
	// allowed has, for each target, the sequences that it may have; more than one where the group
	// was at work while it was looked at.
	allowed [][]mark
}

func (v *verification) newRoute(spec *topology.ProjectionSpec, partition int32) *route {
	group, n := v.names.RekeyGroup(spec.ID()), v.config.Settings.Partitions
	r := &route{
		spec: spec, partition: partition, low: max(v.cut.before[group][partition], 0), high: max(v.cut.after[group][partition], 0),
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
func (r *route) add(e *happened) {
	if e.place.Offset >= r.high {
		return
	}
	key := keyOf(r.spec, e.event)
	if key == "" {
		return
	}
	q := topology.PartitionOf([]byte(key), len(r.marks))
	if e.place.Offset >= r.low {
		r.allow(q)
	}
	r.marks[q] = r.marks[q].add(&e.place, key)
}

// allow notes that a target may have what was sent so far, and no more.
func (r *route) allow(q int32) { r.allowed[q] = append(r.allowed[q], r.marks[q]) }

// close says that all events were sent.
func (r *route) close() {
	for q := range r.marks {
		r.allow(int32(q))
	}
}

// permits reports whether a target may have a sequence.
func (r *route) permits(q int32, have mark) bool { return slices.Contains(r.allowed[q], have) }

// before compares the places of two events of one source partition: by command, and then by
// version.
func (e *happened) before(other *happened) int {
	a, _ := position(e.place.Header(codecs.HeaderCause)) // both were read before
	b, _ := position(other.place.Header(codecs.HeaderCause))
	switch {
	case a.Offset != b.Offset:
		return int(max(min(a.Offset-b.Offset, 1), -1))
	default:
		return int(max(min(e.event.Version-other.event.Version, 1), -1))
	}
}
