package scenario

import (
	"fmt"

	"github.com/foldlog/foldlog"
)

// Decider begins a scenario of one aggregate.
func Decider[S, C, E any](t TB, d foldlog.Decider[S, C, E]) *DeciderScenario[S, C, E] {
	s := &DeciderScenario[S, C, E]{t: t, decider: d, log: newLog()}
	if d.Initial != nil {
		s.state = d.Initial()
	}
	return s
}

// DeciderScenario is an aggregate with the events it was given so far.
type DeciderScenario[S, C, E any] struct {
	t       TB
	decider foldlog.Decider[S, C, E]
	log     *log
	state   S
}

// With sets metadata of the events and commands that follow.
func (s *DeciderScenario[S, C, E]) With(options ...Option) *DeciderScenario[S, C, E] {
	s.log.with(options)
	return s
}

// Given adds events that have happened, whether or not a command could cause them.
func (s *DeciderScenario[S, C, E]) Given(events ...E) *DeciderScenario[S, C, E] {
	s.t.Helper()
	for _, data := range events {
		s.evolve(record(s.log, s.log.command(), []E{data})[0])
	}
	return s
}

func (s *DeciderScenario[S, C, E]) evolve(event foldlog.Event[E]) {
	s.t.Helper()
	before := text(s.state)
	after := s.decider.Evolve(s.state, event)
	again := s.decider.Evolve(s.state, event)
	impure(s.t, "Evolve", text(event.Data), before, text(s.state), difference("state", after, again))
	s.state = after
	s.log.given = append(s.log.given, text(event.Data))
}

// When has the aggregate decide a command, after its Validate if it has one. The result wants one
// of the Then methods.
func (s *DeciderScenario[S, C, E]) When(command C) *Decided[S, C, E] {
	s.t.Helper()
	d := &Decided[S, C, E]{scenario: s, command: command, meta: s.log.command(), given: s.log.given}
	if v, ok := any(command).(foldlog.Validator); ok {
		d.err = v.Validate()
	}
	if d.err == nil {
		before := text(s.state)
		full := foldlog.Command[C]{Meta: d.meta, Data: command}
		d.events, d.err = s.decider.Decide(s.state, full)
		again, errAgain := s.decider.Decide(s.state, full)
		change := lists("event", d.events, again)
		if change == "" && fmt.Sprint(d.err) != fmt.Sprint(errAgain) {
			change = fmt.Sprintf("error: expected %v, got %v", d.err, errAgain)
		}
		impure(s.t, "Decide", text(command), before, text(s.state), change)
	}
	return d
}

// Decided is an aggregate's decision about a command.
type Decided[S, C, E any] struct {
	scenario *DeciderScenario[S, C, E]
	command  C
	meta     foldlog.Meta
	given    []string
	events   []E
	err      error
}

// Then expects exactly these events, in this order. None means accepted without effect. The
// scenario goes on with the events having happened.
func (d *Decided[S, C, E]) Then(events ...E) *DeciderScenario[S, C, E] {
	d.scenario.t.Helper()
	want := list(events, "accepted without events")
	if d.err != nil {
		d.fail("the command was not accepted", want, "")
		return d.scenario
	}
	if first := lists("event", events, d.events); first != "" {
		d.fail("the events differ", want, first)
		return d.scenario
	}
	for _, e := range record(d.scenario.log, d.meta, d.events) {
		d.scenario.evolve(e)
	}
	return d.scenario
}

// ThenRejected expects a rejection with the code. The scenario goes on as if the command had not
// been sent.
func (d *Decided[S, C, E]) ThenRejected(code string) *DeciderScenario[S, C, E] {
	d.scenario.t.Helper()
	d.rejected(code, "")
	return d.scenario
}

// ThenInvalid expects the rejection [foldlog.CodeInvalidField] of the field.
func (d *Decided[S, C, E]) ThenInvalid(field string) *DeciderScenario[S, C, E] {
	d.scenario.t.Helper()
	d.rejected(foldlog.CodeInvalidField, field)
	return d.scenario
}

func (d *Decided[S, C, E]) rejected(code, field string) {
	d.scenario.t.Helper()
	want := "rejected: " + code
	if field != "" {
		want += " of field " + field
	}
	r, isRejection := foldlog.AsRejection(d.err)
	switch {
	case d.err == nil:
		d.fail("the command was accepted", want, "")
	case !isRejection:
		d.fail("the decider failed", want, "")
	case r.Code != code:
		d.fail("the command was rejected with another code", want, difference("code", code, r.Code))
	case field != "" && r.Field != field:
		d.fail("another field was rejected", want, difference("field", field, r.Field))
	}
}

// ThenState expects the state that the events so far lead to.
func (s *DeciderScenario[S, C, E]) ThenState(want S) *DeciderScenario[S, C, E] {
	s.t.Helper()
	if first := difference("state", want, s.state); first != "" {
		s.t.Fatalf("%s", message("the state differs",
			section{"given", list(s.log.given, "no events")},
			section{"expected", text(want)},
			section{"got", text(s.state)},
			section{"first difference", first}))
	}
	return s
}

func (d *Decided[S, C, E]) fail(problem, want, first string) {
	d.scenario.t.Helper()
	d.scenario.t.Fatalf("%s", message(problem,
		section{"given", list(d.given, "no events")},
		section{"when", text(d.command)},
		section{"expected", want},
		section{"got", d.result()},
		section{"first difference", first}))
}

func (d *Decided[S, C, E]) result() string {
	if r, ok := foldlog.AsRejection(d.err); ok {
		return "rejected: " + r.Error()
	}
	if d.err != nil {
		return "an error that is no rejection, answered as internal_error: " + d.err.Error()
	}
	return list(d.events, "accepted without events")
}

// impure fails the test if a function has changed its arguments, or has answered differently the
// second time.
func impure(t TB, function, input, before, after, change string) {
	t.Helper()
	if before != after {
		t.Fatalf("%s", message(function+" changed what it was given; it must work on a copy",
			section{"input", input}, section{"before", before}, section{"after", after}))
	}
	if change != "" {
		t.Fatalf("%s", message(function+" answered the same input differently; it must not use a clock, randomness or state of its own",
			section{"input", input}, section{"first difference", change}))
	}
}
