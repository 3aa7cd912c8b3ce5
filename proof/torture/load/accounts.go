package load

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// currency is that of all accounts, but for the tries to use another.
const currency = "EUR"

// holders is how many share the accounts.
const holders = 12

// Accounts are the ids that clients share. Closed ones are replaced, so that there is always
// something to move.
type Accounts struct {
	prefix string

	mu   sync.Mutex
	ids  []string
	next int
}

// NewAccounts returns the names of count accounts. The prefix sets those of one world apart from
// another's.
func NewAccounts(prefix string, count int) *Accounts {
	a := &Accounts{prefix: prefix}
	for range count {
		a.ids = append(a.ids, a.fresh())
	}
	return a
}

// fresh is called with the lock, or before anyone else has the accounts.
func (a *Accounts) fresh() string {
	a.next++
	return fmt.Sprintf("%sacc-%d", a.prefix, a.next)
}

func (a *Accounts) any(r *rand.Rand) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ids[r.IntN(len(a.ids))]
}

// two returns two accounts, mostly different ones.
func (a *Accounts) two(r *rand.Rand) (string, string) {
	from, to := a.any(r), a.any(r)
	if from == to && r.IntN(4) > 0 {
		return from, a.any(r)
	}
	return from, to
}

// replace takes an account out that was closed, and returns the new one in its place, or "" where
// somebody was faster.
func (a *Accounts) replace(closed string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, id := range a.ids {
		if id == closed {
			a.ids[i] = a.fresh()
			return a.ids[i]
		}
	}
	return ""
}

func (a *Accounts) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.ids...)
}

// holderOf returns the holder that an account is opened for.
func holderOf(account string) string {
	sum := 0
	for _, b := range []byte(account) {
		sum = sum*31 + int(b)
	}
	return fmt.Sprintf("holder-%d", uint(sum)%holders)
}

// partitioner is Kafka's own for keys (murmur2).
var partitioner = kgo.StickyKeyPartitioner(nil)

// PartitionOf returns the partition that a key belongs to.
func PartitionOf(key string, partitions int) int {
	return partitioner.ForTopic("").Partition(&kgo.Record{Key: []byte(key)}, partitions)
}
