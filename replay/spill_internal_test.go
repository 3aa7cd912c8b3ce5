package replay

import (
	"bytes"
	"path/filepath"
	"testing"
)

// Values that grow are counted as what they have become, and are spilled when they are too much;
// nil and empty stay two things.
func TestGrowingValuesAreSpilled(t *testing.T) {
	b := &budget{dir: filepath.Join(t.TempDir(), "spilled"), limit: 20_000}
	defer b.close()
	s := newShelf(b, "rows", encodeStored, decodeStored)
	for size := range 4 {
		for _, key := range []string{"a", "b", "c", "d"} {
			if err := s.put(key, stored{value: bytes.Repeat([]byte(key), size*1000)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if s.db == nil {
		t.Errorf("%d bytes are held of %d", b.used, b.limit)
	}
	for key, value := range map[string][]byte{"deleted": nil, "empty": {}} {
		if err := s.put(key, stored{value: value}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.spill(); err != nil {
		t.Fatal(err)
	}
	if b.used != 0 {
		t.Errorf("%d bytes are counted of nothing", b.used)
	}
	have, ok, err := s.get("c")
	if err != nil || !ok || !bytes.Equal(have.value, bytes.Repeat([]byte("c"), 3000)) {
		t.Errorf("c: %d bytes, %t, %v", len(have.value), ok, err)
	}
	deleted, _, err1 := s.get("deleted")
	empty, _, err2 := s.get("empty")
	if deleted.value != nil || empty.value == nil || err1 != nil || err2 != nil {
		t.Errorf("deleted: %v, %v; empty: %v, %v", deleted.value, err1, empty.value, err2)
	}
}
