package exactlyonce

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/IBM/sarama"
)

// balance assigns partitions to members: equally many to each, and if possible those whose stores
// the member has, so that a restore is short. All inputs of a group have the same partitions.
type balance struct {
	engine *engine

	mu     sync.Mutex
	cancel context.CancelFunc // of what runs for the assignment before
}

// balanceName is the name by which members agree on a strategy. A group that runs on plain Goka
// uses another, so the two refuse each other.
//
// NB: must not change. Members of different versions must agree.
const balanceName = "foldlog-store"

// wish is the message of a member to the one that plans.
//
// NB: must not change. Members of different versions read it.
type wish struct {
	Instance string  `json:"instance"`
	Stores   []int32 `json:"stores"`
}

func newBalance(e *engine) *balance { return &balance{engine: e} }

// Name implements sarama's interface.
func (b *balance) Name() string { return balanceName }

// SubscriptionUserData tells the stores that this instance has.
func (b *balance) SubscriptionUserData([]string) ([]byte, error) {
	return json.Marshal(wish{Instance: b.engine.config.Instance, Stores: b.engine.storesOnDisk()})
}

// AssignmentData implements sarama's interface.
func (b *balance) AssignmentData(string, map[string][]int32, int32) ([]byte, error) { return nil, nil }

// OnAssignment starts to clear the way for the assignment. It must not wait: there are no
// heartbeats yet.
func (b *balance) OnAssignment(assignment *sarama.ConsumerGroupMemberAssignment, _ int32) {
	partitions := assignment.Topics[b.engine.group.Input]
	if len(partitions) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(b.engine.ctx, b.engine.config.Patience)
	b.mu.Lock()
	if b.cancel != nil {
		b.cancel()
	}
	b.cancel = cancel
	b.mu.Unlock()
	b.engine.background.Go(func() {
		defer cancel()
		b.engine.clearTheWay(ctx, partitions)
	})
}

// Plan implements sarama's interface.
func (b *balance) Plan(members map[string]sarama.ConsumerGroupMemberMetadata, topics map[string][]int32) (sarama.BalanceStrategyPlan, error) {
	plan := sarama.BalanceStrategyPlan{}
	for topic, partitions := range topics {
		wishes := map[string]wish{}
		for id, meta := range members {
			if !slices.Contains(meta.Topics, topic) {
				continue
			}
			var w wish
			if err := json.Unmarshal(meta.UserData, &w); err != nil {
				return nil, fmt.Errorf("member %s of group %s says nothing about its stores: %w", id, b.engine.group.Name, err)
			}
			wishes[id] = w
		}
		for id, mine := range share(wishes, slices.Clone(partitions)) {
			plan.Add(id, topic, mine...)
		}
	}
	return plan, nil
}

// share gives each member its partitions. It depends on nothing but its arguments.
func share(wishes map[string]wish, partitions []int32) map[string][]int32 {
	shares := map[string][]int32{}
	if len(wishes) == 0 {
		return shares
	}
	ids := make([]string, 0, len(wishes))
	for id := range wishes {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(x, y string) int {
		if c := strings.Compare(wishes[x].Instance, wishes[y].Instance); c != 0 {
			return c
		}
		return strings.Compare(x, y)
	})
	slices.Sort(partitions)
	least, more := len(partitions)/len(ids), len(partitions)%len(ids) // this many get one more
	taken := map[int32]bool{}
	take := func(id string, p int32) {
		shares[id] = append(shares[id], p)
		taken[p] = true
		if len(shares[id]) == least+1 {
			more--
		}
	}
	room := func(id string) bool { return len(shares[id]) < least || len(shares[id]) == least && more > 0 }
	for _, id := range ids { // what they have, up to an even share
		for _, p := range partitions {
			if !taken[p] && len(shares[id]) < least && slices.Contains(wishes[id].Stores, p) {
				take(id, p)
			}
		}
	}
	for _, id := range ids { // what they have, one more
		for _, p := range partitions {
			if !taken[p] && room(id) && slices.Contains(wishes[id].Stores, p) {
				take(id, p)
			}
		}
	}
	for _, p := range partitions { // the rest
		for _, id := range ids {
			if !taken[p] && len(shares[id]) < least {
				take(id, p)
			}
		}
		for _, id := range ids {
			if !taken[p] && room(id) {
				take(id, p)
			}
		}
	}
	for _, mine := range shares {
		slices.Sort(mine)
	}
	return shares
}

// storesOnDisk returns the partitions whose stores this instance has. Without state, no partition
// is better than another.
func (e *engine) storesOnDisk() []int32 {
	all := []int32{}
	names := e.stateTopics()
	if len(names) == 0 {
		return all
	}
	entries, err := os.ReadDir(e.dir)
	if err != nil {
		return all
	}
	for _, entry := range entries {
		rest, ok := strings.CutPrefix(filepath.Base(entry.Name()), names[0]+".")
		if p, err := strconv.ParseInt(rest, 10, 32); ok && err == nil {
			all = append(all, int32(p))
		}
	}
	slices.Sort(all)
	return all
}
