package kit

import (
	"bytes"
	"path/filepath"
	"testing"
)

// Values that grow are counted as what they have become, and are spilled when they are too much;
// nil and empty stay two things.
func TestGrowingValuesAreSpilled(t *testing.T) {
	b := NewBudget(filepath.Join(t.TempDir(), "spilled"), 20_000)
	defer b.Close()
	s := NewShelf(b, "rows", 0, func(v []byte) ([]byte, error) { return appendPart(nil, v), nil }, func(raw []byte) ([]byte, error) {
		s := spilled{rest: raw}
		return s.part(), s.err()
	})
	for size := range 4 {
		for _, key := range []string{"a", "b", "c", "d"} {
			if err := s.Put(key, bytes.Repeat([]byte(key), size*1000)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if s.db == nil {
		t.Errorf("%d bytes are held of %d", b.used, b.limit)
	}
	for key, value := range map[string][]byte{"deleted": nil, "empty": {}} {
		if err := s.Put(key, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.spill(); err != nil {
		t.Fatal(err)
	}
	if b.used != 0 {
		t.Errorf("%d bytes are counted of nothing", b.used)
	}
	have, ok, err := s.Get("c")
	if err != nil || !ok || !bytes.Equal(have, bytes.Repeat([]byte("c"), 3000)) {
		t.Errorf("c: %d bytes, %t, %v", len(have), ok, err)
	}
	deleted, _, err1 := s.Get("deleted")
	empty, _, err2 := s.Get("empty")
	if deleted != nil || empty == nil || err1 != nil || err2 != nil {
		t.Errorf("deleted: %v, %v; empty: %v, %v", deleted, err1, empty, err2)
	}
}
