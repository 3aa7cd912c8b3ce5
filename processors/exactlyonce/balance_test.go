package exactlyonce

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every partition has one owner, shares differ by one at most, and nobody loses a store that an
// even share would have left to him.
func TestSharesAreEvenAndFollowTheStores(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		var partitions []int32
		for p := range int32(random.IntN(13)) {
			partitions = append(partitions, p)
		}
		wishes := map[string]wish{}
		for i := range random.IntN(5) + 1 {
			w := wish{Instance: fmt.Sprint("i", i)}
			for _, p := range partitions {
				if random.IntN(2) == 0 {
					w.Stores = append(w.Stores, p)
				}
			}
			wishes[fmt.Sprint("m", random.Int(), i)] = w
		}
		shares := share(wishes, slices.Clone(partitions))
		var owned []int32
		for id, mine := range shares {
			if _, ok := wishes[id]; !ok {
				t.Fatalf("%s is no member", id)
			}
			owned = append(owned, mine...)
		}
		slices.Sort(owned)
		if !slices.Equal(owned, partitions) {
			t.Fatalf("%v is owned of %v: %v", owned, partitions, shares)
		}
		least := len(partitions) / len(wishes)
		for id := range wishes {
			if n := len(shares[id]); n < least || n > least+1 {
				t.Fatalf("%d partitions for one of %d members, of %d", n, len(wishes), len(partitions))
			}
		}
		if again := share(wishes, slices.Clone(partitions)); fmt.Sprint(again) != fmt.Sprint(shares) {
			t.Fatalf("two plans for the same members: %v, %v", shares, again)
		}
	}
}

func TestMembersKeepWhatTheyHave(t *testing.T) {
	wishes := map[string]wish{
		"1": {Instance: "a", Stores: []int32{4, 5}},
		"2": {Instance: "b", Stores: []int32{0, 1}},
		"3": {Instance: "c"},
	}
	shares := share(wishes, []int32{0, 1, 2, 3, 4, 5})
	for id, want := range map[string][]int32{"1": {4, 5}, "2": {0, 1}, "3": {2, 3}} {
		if !slices.Equal(shares[id], want) {
			t.Errorf("member %s has %v, want %v", id, shares[id], want)
		}
	}
}

func TestInstanceIsFoundInTransactionalID(t *testing.T) {
	for _, prefix := range []string{"", "p-"} {
		group := prefix + "account"
		for n := range 2 {
			id := transactionalID(prefix, group, "host.1", n)
			if got := instanceOf(prefix, group, id); got != "host.1" {
				t.Errorf("instance of %q: %q", id, got)
			}
		}
	}
	for _, stranger := range []string{"", "account", "account/x", "account/x/2", "accounts/x/0", "other/x/1", "account//0"} {
		if got := instanceOf("", "account", stranger); got != "" {
			t.Errorf("instance of %q: %q", stranger, got)
		}
	}
}
