package scenario_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/scenario"
)

// The domain of these tests: a jar that is filled and emptied, and breaks.
type (
	command interface{}
	event   interface{}
	fill    struct{ Drops int }
	crash   struct{}
	filled  struct {
		Drops int
		Note  *string
		On    time.Time
		Tags  map[string]int
	}
	jar struct {
		Drops []int
	}
	row struct {
		Total int
		Last  time.Time
	}
)

func (c fill) Validate() error {
	if c.Drops < 0 {
		return foldlog.InvalidField("drops", "is negative")
	}
	return nil
}

func decider() foldlog.Decider[jar, command, event] {
	return foldlog.Decider[jar, command, event]{
		Decide: func(j jar, c foldlog.Command[command]) ([]event, error) {
			switch data := c.Data.(type) {
			case fill:
				switch {
				case data.Drops == 0:
					return nil, nil
				case data.Drops > 9:
					return nil, foldlog.Reject("too_much", "a jar holds 9 drops, not %d", data.Drops)
				}
				return []event{filled{Drops: data.Drops, On: c.RecordedAt}}, nil
			case crash:
				return nil, errors.New("boom")
			}
			return nil, foldlog.Unhandled(c.Data)
		},
		Evolve: func(j jar, e foldlog.Event[event]) jar {
			return jar{Drops: append(append([]int(nil), j.Drops...), e.Data.(filled).Drops)}
		},
	}
}

func policy() foldlog.Policy[event] {
	return foldlog.Policy[event]{React: func(e foldlog.Event[event]) []foldlog.Send {
		f := e.Data.(filled)
		if f.Drops == 0 {
			return nil
		}
		return []foldlog.Send{{Aggregate: "jar", ID: e.AggregateID, Command: fill{Drops: f.Drops - 2}}}
	}}
}

func projection(key func(foldlog.Event[event]) string) foldlog.Projection[row, event] {
	return foldlog.Projection[row, event]{Key: key, Project: func(r row, e foldlog.Event[event]) row {
		return row{Total: r.Total + e.Data.(filled).Drops, Last: e.RecordedAt}
	}}
}

var default0 = time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC)

func TestWhatHoldsPasses(t *testing.T) {
	later := default0.Add(time.Hour)
	scenario.Decider(t, decider()).
		Given(filled{Drops: 1}).
		When(fill{Drops: 2}).Then(filled{Drops: 2, On: default0}).
		With(scenario.At(later.In(time.FixedZone("elsewhere", 3600)))).
		When(fill{Drops: 3}).Then(filled{Drops: 3, On: later}).
		When(fill{}).Then().
		When(fill{Drops: 10}).ThenRejected("too_much").
		When(fill{Drops: -1}).ThenRejected(foldlog.CodeInvalidField).
		When(fill{Drops: -1}).ThenInvalid("drops").
		ThenState(jar{Drops: []int{1, 2, 3}})

	p := scenario.Policy(t, policy()).With(scenario.ID("j-7"))
	p.When(filled{Drops: 5}).ThenSends(foldlog.Send{Aggregate: "jar", ID: "j-7", Command: fill{Drops: 3}})
	p.When(filled{}).ThenSendsNothing()

	scenario.Projection(t, projection(nil)).
		With(scenario.ID("a")).Given(filled{Drops: 1}).
		With(scenario.ID("b"), scenario.At(later)).Given(filled{Drops: 2}, filled{Drops: 3}).
		ThenRow("a", row{Total: 1, Last: default0}).
		ThenRow("b", row{Total: 5, Last: later}).
		ThenNoRow("c").
		ThenKeys("b", "a")
}

func TestMetadataIsWhatTheEngineGives(t *testing.T) {
	type seen = foldlog.Event[event]
	var events []seen
	scenario.Policy(t, foldlog.Policy[event]{React: func(e seen) []foldlog.Send {
		events = append(events, e)
		return nil
	}}).
		With(scenario.ID("j-7"), scenario.By("ann"), scenario.At(default0.Add(1999*time.Nanosecond))).
		Given(filled{}, filled{}).
		When(filled{Drops: 4}).ThenSendsNothing()
	want := foldlog.Event[event]{
		Meta: foldlog.Meta{
			AggregateID: "j-7", CommandID: "command-3", CorrelationID: "conversation-1", CausationID: "command-3",
			Actor: "ann", RecordedAt: default0.Add(time.Microsecond),
		},
		EventID: foldlog.EventID("command-3", "j-7", 0), Type: "filled", Version: 3, Data: filled{Drops: 4},
	}
	if len(events) != 2 || fmt.Sprint(events[0]) != fmt.Sprint(want) || fmt.Sprint(events[1]) != fmt.Sprint(want) {
		t.Fatalf("got %+v\nwant %+v, twice", events, want)
	}
}

// recorder stands in for a *testing.T whose test fails.
type recorder struct{ failure string }

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) {}
func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// failureOf returns the message with which the scenario fails, "" if it holds.
func failureOf(run func(scenario.TB)) string {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(r)
	}()
	<-done
	return r.failure
}

func TestWrongExpectationsExplainThemselves(t *testing.T) {
	note := "half"
	impureState := 0
	for _, c := range []struct {
		name string
		run  func(scenario.TB)
		want string
	}{
		{"another field", func(t scenario.TB) {
			scenario.Decider(t, decider()).Given(filled{Drops: 1}, filled{Drops: 2, Note: &note}).
				When(fill{Drops: 3}).Then(filled{Drops: 4, On: default0})
		}, `
the events differ
  given
    1. scenario_test.filled{Drops: 1, Note: nil, On: 0001-01-01T00:00:00Z, Tags: {}}
    2. scenario_test.filled{Drops: 2, Note: &"half", On: 0001-01-01T00:00:00Z, Tags: {}}
  when
    scenario_test.fill{Drops: 3}
  expected
    1. scenario_test.filled{Drops: 4, Note: nil, On: 2026-01-02T03:04:05Z, Tags: {}}
  got
    1. scenario_test.filled{Drops: 3, Note: nil, On: 2026-01-02T03:04:05Z, Tags: {}}
  first difference
    event 1.Drops: expected 4, got 3`},
		{"another time", func(t scenario.TB) {
			scenario.Decider(t, decider()).When(fill{Drops: 3}).Then(filled{Drops: 3})
		}, `
the events differ
  given
    no events
  when
    scenario_test.fill{Drops: 3}
  expected
    1. scenario_test.filled{Drops: 3, Note: nil, On: 0001-01-01T00:00:00Z, Tags: {}}
  got
    1. scenario_test.filled{Drops: 3, Note: nil, On: 2026-01-02T03:04:05Z, Tags: {}}
  first difference
    event 1.On: expected 0001-01-01T00:00:00Z, got 2026-01-02T03:04:05Z`},
		{"an event too many", func(t scenario.TB) {
			scenario.Decider(t, decider()).When(fill{}).Then(filled{})
		}, `
the events differ
  given
    no events
  when
    scenario_test.fill{Drops: 0}
  expected
    1. scenario_test.filled{Drops: 0, Note: nil, On: 0001-01-01T00:00:00Z, Tags: {}}
  got
    accepted without events
  first difference
    event 1: expected scenario_test.filled{Drops: 0, Note: nil, On: 0001-01-01T00:00:00Z, Tags: {}}, got none`},
		{"another type", func(t scenario.TB) {
			scenario.Decider(t, decider()).When(fill{Drops: 1}).Then(jar{})
		}, `
the events differ
  given
    no events
  when
    scenario_test.fill{Drops: 1}
  expected
    1. scenario_test.jar{Drops: []}
  got
    1. scenario_test.filled{Drops: 1, Note: nil, On: 2026-01-02T03:04:05Z, Tags: {}}
  first difference
    event 1: expected the type scenario_test.jar, got scenario_test.filled`},
		{"rejected instead of accepted", func(t scenario.TB) {
			scenario.Decider(t, decider()).When(fill{Drops: 12}).Then()
		}, `
the command was not accepted
  given
    no events
  when
    scenario_test.fill{Drops: 12}
  expected
    accepted without events
  got
    rejected: too_much: a jar holds 9 drops, not 12`},
		{"accepted instead of rejected", func(t scenario.TB) {
			scenario.Decider(t, decider()).When(fill{}).ThenRejected("too_much")
		}, `
the command was accepted
  given
    no events
  when
    scenario_test.fill{Drops: 0}
  expected
    rejected: too_much
  got
    accepted without events`},
		{"another code", func(t scenario.TB) {
			scenario.Decider(t, decider()).When(fill{Drops: -1}).ThenRejected("too_much")
		}, `
the command was rejected with another code
  given
    no events
  when
    scenario_test.fill{Drops: -1}
  expected
    rejected: too_much
  got
    rejected: invalid_field: drops: is negative
  first difference
    code: expected "too_much", got "invalid_field"`},
		{"another rejected field", func(t scenario.TB) {
			scenario.Decider(t, decider()).When(fill{Drops: -1}).ThenInvalid("size")
		}, `
another field was rejected
  given
    no events
  when
    scenario_test.fill{Drops: -1}
  expected
    rejected: invalid_field of field size
  got
    rejected: invalid_field: drops: is negative
  first difference
    field: expected "size", got "drops"`},
		{"an error that is no rejection", func(t scenario.TB) {
			scenario.Decider(t, decider()).When(crash{}).ThenRejected("too_much")
		}, `
the decider failed
  given
    no events
  when
    scenario_test.crash{}
  expected
    rejected: too_much
  got
    an error that is no rejection, answered as internal_error: boom`},
		{"another state", func(t scenario.TB) {
			scenario.Decider(t, decider()).Given(filled{Drops: 1}).When(fill{Drops: 2}).Then(filled{Drops: 2, On: default0}).
				ThenState(jar{Drops: []int{1, 2, 3}})
		}, `
the state differs
  given
    1. scenario_test.filled{Drops: 1, Note: nil, On: 0001-01-01T00:00:00Z, Tags: {}}
    2. scenario_test.filled{Drops: 2, Note: nil, On: 2026-01-02T03:04:05Z, Tags: {}}
  expected
    scenario_test.jar{Drops: [1, 2, 3]}
  got
    scenario_test.jar{Drops: [1, 2]}
  first difference
    state.Drops: expected 3 elements, got 2`},
		{"another command sent", func(t scenario.TB) {
			scenario.Policy(t, policy()).Given(filled{}).When(filled{Drops: 5}).ThenSends(foldlog.Send{Aggregate: "jar", ID: "id-2", Command: fill{Drops: 3}})
		}, `
the commands differ
  given
    1. scenario_test.filled{Drops: 0, Note: nil, On: 0001-01-01T00:00:00Z, Tags: {}}
  when
    scenario_test.filled{Drops: 5, Note: nil, On: 0001-01-01T00:00:00Z, Tags: {}}
  expected
    1. foldlog.Send{Aggregate: "jar", ID: "id-2", Command: scenario_test.fill{Drops: 3}}
  got
    1. foldlog.Send{Aggregate: "jar", ID: "id-1", Command: scenario_test.fill{Drops: 3}}
  first difference
    command 1.ID: expected "id-2", got "id-1"`},
		{"an invalid command sent", func(t scenario.TB) {
			scenario.Policy(t, policy()).When(filled{Drops: 1}).ThenSends(foldlog.Send{Aggregate: "jar", ID: "id-1", Command: fill{Drops: -1}})
		}, `
the policy sends an invalid command
  given
    no events
  when
    scenario_test.filled{Drops: 1, Note: nil, On: 0001-01-01T00:00:00Z, Tags: {}}
  expected
    1. foldlog.Send{Aggregate: "jar", ID: "id-1", Command: scenario_test.fill{Drops: -1}}
  got
    1. foldlog.Send{Aggregate: "jar", ID: "id-1", Command: scenario_test.fill{Drops: -1}}
  first difference
    invalid_field: drops: is negative`},
		{"sent to an impossible id", func(t scenario.TB) {
			scenario.Policy(t, policy()).With(scenario.ID("no spaces")).When(filled{Drops: 2}).
				ThenSends(foldlog.Send{Aggregate: "jar", ID: "no spaces", Command: fill{}})
		}, `
the policy addresses an aggregate that cannot exist
  given
    no events
  when
    scenario_test.filled{Drops: 2, Note: nil, On: 0001-01-01T00:00:00Z, Tags: {}}
  expected
    1. foldlog.Send{Aggregate: "jar", ID: "no spaces", Command: scenario_test.fill{Drops: 0}}
  got
    1. foldlog.Send{Aggregate: "jar", ID: "no spaces", Command: scenario_test.fill{Drops: 0}}
  first difference
    invalid_field: aggregate_id: has the character ' '; ASCII letters, digits and - _ . : ~ are allowed`},
		{"another row", func(t scenario.TB) {
			scenario.Projection(t, projection(nil)).Given(filled{Drops: 5}).ThenRow("id-1", row{Total: 6, Last: default0})
		}, `
the row differs
  given
    1. id-1: scenario_test.filled{Drops: 5, Note: nil, On: 0001-01-01T00:00:00Z, Tags: {}}
  key
    "id-1"
  expected
    scenario_test.row{Total: 6, Last: 2026-01-02T03:04:05Z}
  got
    scenario_test.row{Total: 5, Last: 2026-01-02T03:04:05Z}
  first difference
    row.Total: expected 6, got 5`},
		{"no row", func(t scenario.TB) {
			scenario.Projection(t, projection(nil)).ThenRow("id-1", row{})
		}, `
there is no such row
  given
    no events
  key
    "id-1"
  expected
    scenario_test.row{Total: 0, Last: 0001-01-01T00:00:00Z}
  got
    no row`},
		{"a row where none should be", func(t scenario.TB) {
			scenario.Projection(t, projection(nil)).Given(filled{Drops: 5}).ThenNoRow("id-1")
		}, `
there is such a row
  given
    1. id-1: scenario_test.filled{Drops: 5, Note: nil, On: 0001-01-01T00:00:00Z, Tags: {}}
  key
    "id-1"
  expected
    no row
  got
    scenario_test.row{Total: 5, Last: 2026-01-02T03:04:05Z}`},
		{"other keys", func(t scenario.TB) {
			scenario.Projection(t, projection(nil)).Given(filled{}).ThenKeys("id-1", "id-2")
		}, `
the keys differ
  given
    1. id-1: scenario_test.filled{Drops: 0, Note: nil, On: 0001-01-01T00:00:00Z, Tags: {}}
  expected
    1. id-1
    2. id-2
  got
    1. id-1
  first difference
    key 2: expected "id-2", got none`},
		{"a reserved key", func(t scenario.TB) {
			scenario.Projection(t, projection(func(foldlog.Event[event]) string { return "__foldlog-progress/1" })).Given(filled{})
		}, `
the key cannot be used: it starts with __foldlog-, which is reserved
  given
    1. id-1: scenario_test.filled{Drops: 0, Note: nil, On: 0001-01-01T00:00:00Z, Tags: {}}
  got
    "__foldlog-progress/1"`},
		{"a decision that changes its mind", func(t scenario.TB) {
			d := decider()
			d.Decide = func(jar, foldlog.Command[command]) ([]event, error) {
				impureState++
				return []event{filled{Drops: impureState}}, nil
			}
			scenario.Decider(t, d).When(fill{}).Then(filled{Drops: 1})
		}, `
Decide answered the same input differently; it must not use a clock, randomness or state of its own
  input
    scenario_test.fill{Drops: 0}
  first difference
    event 1.Drops: expected 1, got 2`},
		{"an Evolve that writes into the old state", func(t scenario.TB) {
			d := decider()
			d.Evolve = func(j jar, e foldlog.Event[event]) jar {
				if len(j.Drops) == 0 {
					return jar{Drops: []int{1}}
				}
				j.Drops[0]++
				return j
			}
			scenario.Decider(t, d).Given(filled{}, filled{})
		}, `
Evolve changed what it was given; it must work on a copy
  input
    scenario_test.filled{Drops: 0, Note: nil, On: 0001-01-01T00:00:00Z, Tags: {}}
  before
    scenario_test.jar{Drops: [1]}
  after
    scenario_test.jar{Drops: [3]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := failureOf(c.run)
			if want := strings.TrimPrefix(c.want, "\n"); got != want {
				t.Errorf("the message is\n%s\n\nwant\n%s", got, want)
			}
		})
	}
}
