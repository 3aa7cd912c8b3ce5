package exactlyonce

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

type simGroupState int8

const (
	groupStable     simGroupState = iota
	groupPreparing                // waits for all members to join
	groupCompleting               // waits for the leader's plan
)

// simGroup is the consumer group's coordinator: classic protocol, static members, eager
// rebalancing.
type simGroup struct {
	sim        *sim
	state      simGroupState
	generation int32
	members    []*simMember // by instance
	ids        int
	committed  map[int32]int64
	// by producer: offsets of transactions that are not decided
	pending  map[int64]map[int32]simOffset
	appended int           // offsets so far
	last     map[int32]int // the number of the committed ones
}

// simOffset is an offset with its number: the one that came last to the coordinator counts, not the
// one that was decided last.
type simOffset struct {
	offset int64
	number int
}

type simMember struct {
	instance string
	id       string
	joined   bool // since the rebalance began
	stores   []int32
	assigned []int32
}

func (g *simGroup) init(s *sim) {
	*g = simGroup{sim: s, state: groupStable, committed: map[int32]int64{}, pending: map[int64]map[int32]simOffset{}, last: map[int32]int{}}
}

func (g *simGroup) member(instance string) *simMember {
	for _, m := range g.members {
		if m.instance == instance {
			return m
		}
	}
	return nil
}

// join is JoinGroup: it registers the member, which then waits until answered.
func (g *simGroup) join(instance, id string, stores []int32) *simMember {
	m := g.member(instance)
	switch {
	case m == nil:
		m = &simMember{instance: instance}
		g.members = append(g.members, m)
		slices.SortFunc(g.members, func(a, b *simMember) int { return int(a.instance[0]) - int(b.instance[0]) })
		g.rebalance()
	case m.id == id && g.state == groupStable:
		g.rebalance() // a member that joins anew without need
	}
	if m.id != id || id == "" {
		g.ids++
		// A static member that comes back gets another id. Its old self is fenced, the generation
		// goes on.
		m.id = fmt.Sprintf("%s-%d", instance, g.ids)
	}
	m.joined, m.stores = true, stores
	g.complete()
	return m
}

// rebalance asks all members to join anew.
func (g *simGroup) rebalance() {
	if g.state == groupPreparing {
		return
	}
	g.sim.log("the group rebalances")
	g.state = groupPreparing
	for _, m := range g.members {
		m.joined = false
	}
}

// complete begins a generation once all members have joined.
func (g *simGroup) complete() {
	if g.state != groupPreparing || slices.ContainsFunc(g.members, func(m *simMember) bool { return !m.joined }) {
		return
	}
	g.generation++
	g.state = groupCompleting
	if len(g.members) == 0 {
		g.state = groupStable
	}
}

// plan is the leader's SyncGroup.
func (g *simGroup) plan(partitions int) {
	wishes := map[string]wish{}
	for _, m := range g.members {
		wishes[m.id] = wish{Instance: m.instance, Stores: m.stores}
	}
	all := make([]int32, partitions)
	for p := range all {
		all[p] = int32(p)
	}
	shares := share(wishes, all)
	for _, m := range g.members {
		m.assigned = shares[m.id]
		g.sim.log("generation %d: %s has %v", g.generation, m.id, m.assigned)
	}
	g.state = groupStable
}

// remove takes a member out, since it left or its session ran out.
func (g *simGroup) remove(m *simMember) {
	g.members = slices.DeleteFunc(g.members, func(other *simMember) bool { return other == m })
	g.rebalance()
	g.complete()
}

// check is what the coordinator asks of everyone who speaks as a member.
func (g *simGroup) check(instance, id string, generation int32) error {
	switch m := g.member(instance); {
	case m == nil:
		return kerr.UnknownMemberID
	case m.id != id:
		return kerr.FencedInstanceID
	case generation != g.generation:
		return kerr.IllegalGeneration
	}
	return nil
}

func (g *simGroup) heartbeat(instance, id string, generation int32) error {
	if err := g.check(instance, id, generation); err != nil {
		return err
	}
	if g.state != groupStable {
		return kerr.RebalanceInProgress
	}
	return nil
}

// commit takes offsets: of a producer's transaction, or at once if it is below zero.
func (g *simGroup) commit(producer int64, instance, id string, generation int32, offsets map[int32]int64) error {
	if anonymous := generation < 0 && id == "" && instance == ""; !anonymous || producer < 0 && len(g.members) > 0 {
		if err := g.check(instance, id, generation); err != nil {
			return err
		}
	}
	if producer < 0 {
		if g.state == groupCompleting {
			return kerr.RebalanceInProgress
		}
		g.appended++
		for partition, offset := range offsets {
			g.committed[partition], g.last[partition] = offset, g.appended
		}
		return nil
	}
	if g.pending[producer] == nil {
		g.pending[producer] = map[int32]simOffset{}
	}
	g.appended++
	for partition, offset := range offsets {
		g.pending[producer][partition] = simOffset{offset, g.appended}
	}
	return nil
}

// decide applies or drops what a transaction holds.
func (g *simGroup) decide(producer int64, committed bool) {
	for partition, o := range g.pending[producer] {
		if committed && o.number > g.last[partition] {
			g.committed[partition], g.last[partition] = o.offset, o.number
		}
	}
	delete(g.pending, producer)
}

// unstable reports whether a transaction may still change a partition's offset.
func (g *simGroup) unstable(partition int32) bool {
	for _, offsets := range g.pending {
		if _, held := offsets[partition]; held {
			return true
		}
	}
	return false
}
