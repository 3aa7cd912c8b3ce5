package scenario

import "github.com/foldlog/foldlog"

// Policy begins a scenario of one policy.
func Policy[E any](t TB, p foldlog.Policy[E]) *PolicyScenario[E] {
	return &PolicyScenario[E]{t: t, policy: p, log: newLog()}
}

// PolicyScenario is a policy with the events that have happened so far.
type PolicyScenario[E any] struct {
	t      TB
	policy foldlog.Policy[E]
	log    *log
}

// With sets metadata of the events that follow.
func (s *PolicyScenario[E]) With(options ...Option) *PolicyScenario[E] {
	s.log.with(options)
	return s
}

// Given adds events that have happened before. A policy keeps no state, so all they do is to raise
// the version of the next one.
func (s *PolicyScenario[E]) Given(events ...E) *PolicyScenario[E] {
	for _, data := range events {
		record(s.log, s.log.command(), []E{data})
		s.log.given = append(s.log.given, text(data))
	}
	return s
}

// When has the policy react to an event. The result wants one of the Then methods.
func (s *PolicyScenario[E]) When(event E) *Reacted {
	s.t.Helper()
	given := s.log.given
	full := record(s.log, s.log.command(), []E{event})[0]
	before := text(event)
	r := &Reacted{t: s.t, given: given, event: before, sends: s.policy.React(full)}
	impure(s.t, "React", before, before, text(event), lists("command", r.sends, s.policy.React(full)))
	s.log.given = append(s.log.given, before)
	return r
}

// Reacted is a policy's reaction to an event.
type Reacted struct {
	t     TB
	given []string
	event string
	sends []foldlog.Send
}

// ThenSends expects exactly these commands, in this order. Each is checked with its Validate, if it
// has one: an invalid command of a policy would end as a dead letter.
func (r *Reacted) ThenSends(sends ...foldlog.Send) {
	r.t.Helper()
	if first := lists("command", sends, r.sends); first != "" {
		r.fail("the commands differ", sends, first)
		return
	}
	for _, send := range r.sends {
		if err := foldlog.CheckAggregateID(send.ID); err != nil {
			r.fail("the policy addresses an aggregate that cannot exist", sends, err.Error())
			return
		}
		if v, ok := send.Command.(foldlog.Validator); ok {
			if err := v.Validate(); err != nil {
				r.fail("the policy sends an invalid command", sends, err.Error())
				return
			}
		}
	}
}

// ThenSendsNothing expects that the event is of no interest.
func (r *Reacted) ThenSendsNothing() {
	r.t.Helper()
	r.ThenSends()
}

func (r *Reacted) fail(problem string, want []foldlog.Send, first string) {
	r.t.Helper()
	r.t.Fatalf("%s", message(problem,
		section{"given", list(r.given, "no events")},
		section{"when", r.event},
		section{"expected", list(want, "nothing sent")},
		section{"got", list(r.sends, "nothing sent")},
		section{"first difference", first}))
}
