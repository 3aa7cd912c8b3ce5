package scenario

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/foldlog/foldlog"
)

// Projection begins a scenario of one projection.
func Projection[R, E any](t TB, p foldlog.Projection[R, E]) *ProjectionScenario[R, E] {
	return &ProjectionScenario[R, E]{t: t, projection: p, log: newLog(), rows: map[string]R{}}
}

// ProjectionScenario is a projection with the rows that the events so far have led to.
type ProjectionScenario[R, E any] struct {
	t          TB
	projection foldlog.Projection[R, E]
	log        *log
	rows       map[string]R
}

// With sets metadata of the events that follow.
func (s *ProjectionScenario[R, E]) With(options ...Option) *ProjectionScenario[R, E] {
	s.log.with(options)
	return s
}

// Given has the projection fold the events into their rows.
func (s *ProjectionScenario[R, E]) Given(events ...E) *ProjectionScenario[R, E] {
	s.t.Helper()
	for _, data := range events {
		s.project(record(s.log, s.log.command(), []E{data})[0])
	}
	return s
}

func (s *ProjectionScenario[R, E]) project(event foldlog.Event[E]) {
	s.t.Helper()
	s.log.given = append(s.log.given, event.AggregateID+": "+text(event.Data))
	key := event.AggregateID
	if s.projection.Key != nil {
		key = s.projection.Key(event)
		impure(s.t, "Key", text(event.Data), "", "", difference("key", key, s.projection.Key(event)))
		if key == "" {
			return
		}
		if problem := badKey(key); problem != "" {
			s.t.Fatalf("%s", message("the key cannot be used: it "+problem,
				section{"given", list(s.log.given, "no events")}, section{"got", text(key)}))
			return
		}
	}
	row := s.rows[key] // the zero value if there is none
	before := text(row)
	after := s.projection.Project(row, event)
	again := s.projection.Project(row, event)
	impure(s.t, "Project", text(event.Data), before, text(row), difference("row", after, again))
	s.rows[key] = after
}

// badKey returns the reason why the engine would refuse a computed key.
func badKey(key string) string {
	switch {
	case len(key) > foldlog.MaxViewKeyLength:
		return "is longer than 512 bytes"
	case !utf8.ValidString(key):
		return "is not UTF-8"
	case strings.HasPrefix(key, foldlog.ReservedKeyPrefix):
		return "starts with " + foldlog.ReservedKeyPrefix + ", which is reserved"
	}
	return ""
}

// ThenRow expects the row under the key.
func (s *ProjectionScenario[R, E]) ThenRow(key string, want R) *ProjectionScenario[R, E] {
	s.t.Helper()
	got, exists := s.rows[key]
	if !exists {
		s.fail("there is no such row", key, text(want), "no row", "")
		return s
	}
	if first := difference("row", want, got); first != "" {
		s.fail("the row differs", key, text(want), text(got), first)
	}
	return s
}

// ThenNoRow expects that there is no row under the key.
func (s *ProjectionScenario[R, E]) ThenNoRow(key string) *ProjectionScenario[R, E] {
	s.t.Helper()
	if got, exists := s.rows[key]; exists {
		s.fail("there is such a row", key, "no row", text(got), "")
	}
	return s
}

// ThenKeys expects rows under these keys and no others. The order does not matter.
func (s *ProjectionScenario[R, E]) ThenKeys(keys ...string) *ProjectionScenario[R, E] {
	s.t.Helper()
	want, got := slices.Sorted(slices.Values(keys)), slices.Sorted(maps.Keys(s.rows))
	if first := lists("key", want, got); first != "" {
		s.fail("the keys differ", "", list(want, "no rows"), list(got, "no rows"), first)
	}
	return s
}

func (s *ProjectionScenario[R, E]) fail(problem, key, want, got, first string) {
	s.t.Helper()
	if key != "" {
		key = text(key)
	}
	s.t.Fatalf("%s", message(problem,
		section{"given", list(s.log.given, "no events")},
		section{"key", key},
		section{"expected", want},
		section{"got", got},
		section{"first difference", first}))
}
