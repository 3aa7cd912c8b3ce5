package exactlyonce

import (
	"fmt"
	"hash/maphash"
	"testing"
)

func TestFilterNeverDeniesAKeyThatItHas(t *testing.T) {
	const keys = 1_000_000 // four layers
	var f keyFilter
	for i := range keys {
		f.add(fmt.Sprintf("account-%d\x00command-%d", i%977, i))
	}
	for i := range keys {
		if key := fmt.Sprintf("account-%d\x00command-%d", i%977, i); !f.mayHave(maphash.String(hashSeed, key)) {
			t.Fatalf("the filter denies key %d of those that it has", i)
		}
	}
	taken := 0
	for i := range keys {
		if f.mayHave(maphash.String(hashSeed, fmt.Sprintf("account-%d\x00command-%d", i%977, keys+i))) {
			taken++
		}
	}
	if share := float64(taken) / keys; share > 0.05 {
		t.Errorf("%.1f %% of the keys that are not there look as if they were", 100*share)
	} else {
		t.Logf("%.2f %% of the keys that are not there look as if they were", 100*share)
	}
}

func TestFilterGivesUpWhenItWouldBeTooLarge(t *testing.T) {
	f := keyFilter{layers: [][]filterBlock{make([]filterBlock, largestFilter)}}
	f.add("one too many")
	if !f.mayHave(maphash.String(hashSeed, "anything")) {
		t.Error("a filter that gave up denies a key")
	}
	if f.layers != nil {
		t.Error("a filter that gave up keeps its memory")
	}
}

func TestAbsenceIsUncertainUntilTheStoreWasRead(t *testing.T) {
	var a absence
	a.add("fresh")
	if !a.mayHave(maphash.String(hashSeed, "stored")) || !a.mayHave(maphash.String(hashSeed, "fresh")) {
		t.Error("a key was denied before the store was read")
	}
	read := &keyFilter{}
	read.add("stored")
	a.stored.Store(read)
	if !a.mayHave(maphash.String(hashSeed, "stored")) || !a.mayHave(maphash.String(hashSeed, "fresh")) {
		t.Error("a key that is there was denied")
	}
	denied := 0
	for i := range 100 {
		if !a.mayHave(maphash.String(hashSeed, fmt.Sprint("other", i))) {
			denied++
		}
	}
	if denied < 90 {
		t.Errorf("only %d of 100 keys that are not there were denied", denied)
	}
}
