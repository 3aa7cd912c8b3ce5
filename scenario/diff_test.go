package scenario

import (
	"math"
	"testing"
	"time"
)

func TestDifference(t *testing.T) {
	type inner struct{ A, B int }
	type outer struct {
		Name  *string
		Parts []inner
		Named map[string]inner
		Any   any
		When  time.Time
		Rate  float64
		small int8
	}
	one, other := "one", "other"
	instant := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name      string
		want, got any
		first     string
	}{
		{"nothing at all", nil, nil, ""},
		{"nothing and something", nil, 1, "x: expected nil, got 1"},
		{"equal", outer{Name: &one}, outer{Name: new(one)}, ""},
		{"nil and empty lists are the same", outer{Parts: nil}, outer{Parts: []inner{}}, ""},
		{"nil and empty maps are the same", outer{Named: nil}, outer{Named: map[string]inner{}}, ""},
		{"the same instant", outer{When: instant}, outer{When: instant.In(time.FixedZone("z", 7200))}, ""},
		{"not a number is not a difference", outer{Rate: math.NaN()}, outer{Rate: math.NaN()}, ""},
		{"through a pointer", outer{Name: &one}, outer{Name: &other}, `x.Name: expected "one", got "other"`},
		{"a pointer to nothing", outer{Name: &one}, outer{}, `x.Name: expected &"one", got nil`},
		{"in a list", outer{Parts: []inner{{1, 2}, {3, 4}}}, outer{Parts: []inner{{1, 2}, {3, 5}}}, "x.Parts[1].B: expected 4, got 5"},
		{"a longer list", outer{Parts: []inner{{1, 2}}}, outer{Parts: []inner{{1, 2}, {3, 5}}}, "x.Parts: expected 1 elements, got 2"},
		{"in a map", outer{Named: map[string]inner{"a": {1, 2}}}, outer{Named: map[string]inner{"a": {0, 2}}}, `x.Named["a"].A: expected 1, got 0`},
		{"missing in a map", outer{Named: map[string]inner{"a": {}}}, outer{}, `x.Named["a"]: expected an entry, got none`},
		{"additional in a map", outer{}, outer{Named: map[string]inner{"a": {}}}, `x.Named["a"]: expected no such entry`},
		{"another type inside an interface", outer{Any: 1}, outer{Any: "1"}, "x.Any: expected the type int, got string"},
		{"an unexported field", outer{small: 1}, outer{small: 2}, "x.small: expected 1, got 2"},
		{"a later time", outer{When: instant}, outer{When: instant.Add(1)}, "x.When: expected 2026-01-01T00:00:00Z, got 2026-01-01T00:00:00.000000001Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if first := difference("x", c.want, c.got); first != c.first {
				t.Errorf("first difference is %q, want %q", first, c.first)
			}
			if c.first != "" && difference("x", c.got, c.want) == "" {
				t.Error("the difference is not seen the other way round")
			}
		})
	}
}
