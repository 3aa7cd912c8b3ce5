package exactlyonce

import (
	"fmt"
	"testing"
)

// A key that is about to change must not lose its entry to make room: the next input of the key
// would read the store instead, and not see the change.
func TestEntryIsNotEvictedWhenItIsAdded(t *testing.T) {
	s := newShelf(kindRow, 3*entryOverhead)
	b := &batch{}
	for i := range 40 {
		key := fmt.Sprintf("k%d", i)
		e := s.add(key, nil, 0)
		if s.get([]byte(key)) != e {
			t.Fatalf("%s, with %d others in use: its entry is gone at once", key, i)
		}
		s.set(e, i, []byte("x"), b)
	}
	for i := range 40 {
		if e := s.get(fmt.Appendf(nil, "k%d", i)); e == nil || e.value != i {
			t.Errorf("k%d is in use, and evicted", i)
		}
	}
	for _, c := range b.rows {
		c.entry.uses.Add(-1)
	}
	for i := range 4 {
		s.add(fmt.Sprintf("later%d", i), nil, 0)
	}
	if n := len(s.entries); n > 10 {
		t.Errorf("%d entries that nothing needs are kept, where 3 fit", n)
	}
}
