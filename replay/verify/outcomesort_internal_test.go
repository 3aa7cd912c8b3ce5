package verify

import (
	"cmp"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/foldlog/foldlog/replay/kit"
)

// Outcomes come in the order of ids and then of offsets, whole, whether none, some or many runs of
// them were spilled.
func TestAnswersAreSorted(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 160, 5000} {
		b := kit.NewBudget(filepath.Join(t.TempDir(), "spilled"), 1)
		s := newAnswers(b)
		var want []answered
		random := rand.New(rand.NewPCG(1, uint64(n)))
		for offset := range int64(n) {
			a := answered{offset: offset, first: random.Int64(), version: -offset, recorded: random.Int64(), asked: offset, accepted: offset%2 == 0, repeat: offset%3 == 0}
			a.id[random.IntN(len(a.id))] = byte(random.IntN(7)) // many are the same
			want = append(want, a)
			if err := s.add(a); err != nil {
				t.Fatal(err)
			}
		}
		slices.SortFunc(want, func(x, y answered) int {
			return cmp.Or(slices.Compare(x.id[:], y.id[:]), cmp.Compare(x.offset, y.offset))
		})
		var have []answered
		if err := s.each(func(a answered) error { have = append(have, a); return nil }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(have, want) {
			t.Errorf("%d outcomes, %d runs: they are not in order, or not all", n, len(s.runs))
		}
		if spilled := n > s.most; spilled != (len(s.runs) > 0) {
			t.Errorf("%d outcomes in %d runs", n, len(s.runs))
		}
		s.close()
		b.Close()
	}
}

// A row that was deleted is told from an empty one after it was spilled, too.
func TestDeletedAndEmptyRowsStayTwoThings(t *testing.T) {
	for _, want := range []stored{{offset: 7}, {offset: 8, value: []byte{}}, {offset: 300, value: []byte("row")}} {
		raw, err := encodeStored(want)
		have, failure := decodeStored(raw)
		if err != nil || failure != nil || !reflect.DeepEqual(have, want) {
			t.Errorf("%+v, want %+v: %v, %v", have, want, err, failure)
		}
	}
}
