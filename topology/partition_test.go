package topology

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestMurmur2 has the vectors of Kafka's own UtilsTest.testMurmur2.
func TestMurmur2(t *testing.T) {
	for key, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q) is %d, Kafka's Java client has %d", key, got, want)
		}
	}
}

func TestPartitionOf(t *testing.T) {
	// What Java computes: (murmur2 & 0x7fffffff) % 12, for a negative and a positive hash.
	for key, want := range map[string]int32{"21": int32((-973932308 & 0x7fffffff) % 12), "abc": 479470107 % 12} {
		if got := PartitionOf([]byte(key), 12); got != want {
			t.Errorf("PartitionOf(%q, 12) is %d, want %d", key, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		key, partitions := rapid.SliceOf(rapid.Byte()).Draw(t, "key"), rapid.IntRange(1, 1024).Draw(t, "partitions")
		p := PartitionOf(key, partitions)
		if p < 0 || p >= int32(partitions) {
			t.Fatalf("partition %d of %d", p, partitions)
		}
		h := Hasher()
		split := rapid.IntRange(0, len(key)).Draw(t, "split")
		h.Write(key[:split])
		h.Write(key[split:])
		if int32(h.Sum32()) < 0 {
			t.Fatalf("the hash %#x is negative as an int32; Goka negates it and may panic", h.Sum32())
		}
		if got := int32(h.Sum32() % uint32(partitions)); got != p {
			t.Fatalf("the hasher gives partition %d, PartitionOf %d", got, p)
		}
		sum := h.Sum(nil)
		if got := uint32(sum[0])<<24 | uint32(sum[1])<<16 | uint32(sum[2])<<8 | uint32(sum[3]); len(sum) != h.Size() || got != h.Sum32() {
			t.Fatalf("Sum gives %x, Sum32 %#x", sum, h.Sum32())
		}
		h.Reset()
		if h.Sum32() != Hasher().Sum32() {
			t.Fatal("Reset leaves something behind")
		}
	})
}

func TestProgressKeysLandOnTheirPartitions(t *testing.T) {
	for _, partitions := range []int{1, 2, 4, 12, 100} {
		seen := map[string]bool{}
		for source := range int32(3) {
			keys := ProgressKeys("account", source, partitions)
			if len(keys) != partitions {
				t.Fatalf("%d keys for %d partitions", len(keys), partitions)
			}
			for p, key := range keys {
				if got := PartitionOf([]byte(key), partitions); got != int32(p) {
					t.Errorf("key %q of partition %d lands on %d", key, p, got)
				}
				if !strings.HasPrefix(key, ProgressPrefix) || seen[key] {
					t.Errorf("key %q does not start with %q or is used twice", key, ProgressPrefix)
				}
				seen[key] = true
			}
		}
	}
	if a, b := ProgressKeys("account", 1, 12), ProgressKeys("account", 1, 12); strings.Join(a, " ") != strings.Join(b, " ") {
		t.Error("the keys are not the same every time; compaction would keep all of them")
	}
}
