package check

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// execution executes the commands of an aggregate type again, in the order of their log, and
// compares what it gets with what was written.
type execution struct {
	*dump
	aggregate           string
	commandsTopic       string
	eventsTopic         string
	outcomesTopic       string
	horizon             int64 // microseconds
	committed           map[int32]int64
	outcomes            map[spot][]*outcome // by the command that they answer
	events              map[spot][]*event
	deadLetters         map[spot][]*deadLetter
	copies              map[string][]*command // by the place of the original
	claimed             map[spot]bool         // copies that have their original
	expectedDeadLetters map[spot]bool
	first               map[string]standing // by command key
	now                 map[string]*fold
	orphans             map[string][]*event   // by aggregate: those without a command
	answers             map[string][]*outcome // by command key: all of them
	sent                map[string][]*command // by command key
}

// standing is the outcome that later commands with the same id are answered with.
type standing struct {
	*outcome
	same [32]byte // of its command
}

func commandKey(aggregateID, commandID string) string { return aggregateID + "\x00" + commandID }

const defaultHorizon = 7 * 24 * time.Hour

func (d *dump) execute(aggregate string) *execution {
	x := &execution{
		dump: d, aggregate: aggregate, commandsTopic: d.names.commands(aggregate), eventsTopic: d.names.events(aggregate),
		outcomesTopic: d.names.outcomes(aggregate), horizon: defaultHorizon.Microseconds(),
		outcomes: map[spot][]*outcome{}, events: map[spot][]*event{}, deadLetters: map[spot][]*deadLetter{}, copies: map[string][]*command{},
		claimed: map[spot]bool{}, expectedDeadLetters: map[spot]bool{}, first: map[string]standing{}, now: map[string]*fold{},
		orphans: map[string][]*event{},
		answers: map[string][]*outcome{}, sent: map[string][]*command{},
	}
	if text := d.run.Settings["horizon"]; text != "" {
		if h, err := time.ParseDuration(text); err == nil {
			x.horizon = h.Microseconds()
		}
	}
	x.committed = d.topics.Offsets[d.names.group(aggregate)][x.commandsTopic]
	x.index()
	for _, c := range d.commands[aggregate] {
		x.one(c)
	}
	x.strangers()
	x.order()
	return x
}

func (x *execution) index() {
	for _, o := range x.dump.outcomes[x.aggregate] {
		x.outcomes[o.cause] = append(x.outcomes[o.cause], o)
		key := commandKey(o.aggregateID, o.commandID)
		x.answers[key] = append(x.answers[key], o)
	}
	for _, e := range x.dump.events[x.aggregate] {
		x.events[e.cause] = append(x.events[e.cause], e)
	}
	for _, l := range x.dump.deadLetters[x.names.group(x.aggregate)] {
		if l.source == x.commandsTopic && l.coordinate == nil {
			x.deadLetters[l.place] = append(x.deadLetters[l.place], l)
		}
	}
	known := map[spot]bool{}
	for _, c := range x.commands[x.aggregate] {
		known[c.spot] = true
		if c.origin != "" {
			x.copies[c.origin] = append(x.copies[c.origin], c)
		}
		if c.bad == "" {
			key := commandKey(c.aggregateID, c.id)
			x.sent[key] = append(x.sent[key], c)
		}
	}
	for _, e := range x.dump.events[x.aggregate] {
		if !known[e.cause] {
			x.orphans[e.aggregateID] = append(x.orphans[e.aggregateID], e)
		}
	}
}

// adopt takes events whose commands are missing over into the state that the next command finds.
func (x *execution) adopt(c *command, now *fold) {
	list := x.orphans[c.aggregateID]
	for len(list) > 0 && list[0].cause.before(c.spot) && list[0].version > now.version {
		e := list[0]
		now.state, now.version, now.recordedAt = evolve(now.state, e.kind, e.payload), e.version, e.recordedAt
		list = list[1:]
	}
	x.orphans[c.aggregateID] = list
}

// one decides whether a command was treated as it had to be.
func (x *execution) one(c *command) {
	where := c.in(x.commandsTopic)
	if c.bad == "" && (c.key == "" || partitionOf(c.aggregateID, x.run.Partitions) != c.partition) {
		if !c.forwarded {
			x.forward(c)
			return
		}
		c.bad = "it was forwarded, yet belongs to another partition"
	}
	if c.bad != "" {
		x.checked(DeadLettered, 1)
		x.wantDeadLetter(c, "this input cannot be read ("+c.bad+")")
		if outs := x.outcomes[c.spot]; len(outs) > 0 {
			x.violate(DeadLettered, outs[0].in(x.outcomesTopic), "%s cannot be read (%s), yet has an outcome", where, c.bad)
		}
		return
	}
	x.checked(Answered, 1)
	x.checked(Offsets, 1)
	outs := x.outcomes[c.spot]
	if len(outs) == 0 {
		x.violate(Answered, where, "command %q of %s %s has no outcome", c.id, x.aggregate, c.aggregateID)
		if x.committed[c.partition] > c.offset {
			x.violate(Offsets, where, "the group's committed offset %d passed the command, which has no outcome", x.committed[c.partition])
		}
	}
	for _, extra := range outs[min(1, len(outs)):] {
		x.violate(Answered, extra.in(x.outcomesTopic), "a second outcome of the command at %s; the first is at %s", where, outs[0].in(x.outcomesTopic))
	}
	var out *outcome
	if len(outs) > 0 {
		out = outs[0]
		x.outcomeFields(c, out)
	}
	x.decideOne(c, out)
}

// wantDeadLetter checks that the command has exactly one dead letter, of its value.
func (x *execution) wantDeadLetter(c *command, why string) {
	where := c.in(x.commandsTopic)
	x.expectedDeadLetters[c.spot] = true
	letters := x.deadLetters[c.spot]
	if len(letters) == 0 {
		x.violate(DeadLettered, where, "%s and has no dead letter", why)
		if x.committed[c.partition] > c.offset {
			x.violate(Offsets, where, "the group's committed offset %d passed the input, which has no dead letter", x.committed[c.partition])
		}
		return
	}
	for _, extra := range letters[1:] {
		x.violate(DeadLettered, extra.in(extra.topic), "a second dead letter of %s; the first is at %s", where, letters[0].in(extra.topic))
	}
	l := letters[0]
	switch {
	case l.key != c.key:
		x.violate(DeadLettered, l.in(l.topic), "the dead letter's key is %q, that of %s is %q", l.key, where, c.key)
	case !l.truncated && (l.digest != c.digest || l.hasValue != c.hasValue):
		x.violate(DeadLettered, l.in(l.topic), "the dead letter has another value than %s", where)
	case microsOf(l.timestamp) != c.time*1000:
		x.violate(DeadLettered, l.in(l.topic), "the dead letter says that %s was recorded at %s", where, l.timestamp)
	}
}

// forward checks the copy of a command that stood in a wrong partition.
func (x *execution) forward(c *command) {
	where := c.in(x.commandsTopic)
	x.checked(Answered, 1)
	copies := x.copies[where]
	if len(copies) != 1 {
		x.violate(Answered, where, "the command belongs to %s %s in partition %d, and there are %d copies of it instead of one", x.aggregate, c.aggregateID,
			partitionOf(c.aggregateID, x.run.Partitions), len(copies))
	}
	for _, one := range copies {
		x.claimed[one.spot] = true
		if one.key != c.aggregateID || one.digest != c.digest {
			x.violate(Answered, one.in(x.commandsTopic), "the copy of %s has another key or value", where)
		}
	}
	if outs := x.outcomes[c.spot]; len(outs) > 0 {
		x.violate(Answered, outs[0].in(x.outcomesTopic), "the command at %s was forwarded and answered, too", where)
	}
}

// outcomeFields checks that an outcome is that of its command.
func (x *execution) outcomeFields(c *command, o *outcome) {
	where := o.in(x.outcomesTopic)
	if o.commandID != c.id || o.aggregateID != c.aggregateID || o.key != c.aggregateID {
		x.violate(Answered, where, "the outcome is of command %q of %q, the command at %s is %q of %q", o.commandID, o.aggregateID, c.in(x.commandsTopic), c.id, c.aggregateID)
	}
	if o.partition != partitionOf(o.key, x.run.Partitions) {
		x.violate(Ordered, where, "the outcome of %q belongs to partition %d", o.key, partitionOf(o.key, x.run.Partitions))
	}
	if !o.repeat && (o.command != c.spot || o.commandType != c.kind || o.correlationID != c.correlation) {
		x.violate(Answered, where, "the outcome's command is %s %s of conversation %q, at %s it is %s of %q", o.command.in(x.commandsTopic), o.commandType,
			o.correlationID, c.in(x.commandsTopic), c.kind, c.correlation)
	}
	if !o.repeat && o.namesActor && o.actor != c.actor {
		x.violate(Answered, where, "the outcome says that %q asked, in the command at %s it is %q", o.actor, c.in(x.commandsTopic), c.actor)
	}
}

// decideOne compares the outcome and the events of a command with what the rules lead to. out is
// nil if there is none.
func (x *execution) decideOne(c *command, out *outcome) {
	x.checked(Decided, 1)
	key := commandKey(c.aggregateID, c.id)
	events := x.events[c.spot]
	where := c.in(x.commandsTopic)
	if first, any := x.first[key]; any && first.code != "internal_error" && c.time*1000-first.recordedAt <= x.horizon {
		x.repeated(c, out, first)
		return
	}
	if out != nil && out.repeat {
		x.violate(Answered, out.in(x.outcomesTopic), "marked as a repeat, but command %q at %s is the first with that id", c.id, where)
	}
	now := x.now[c.aggregateID]
	if now == nil {
		now = &fold{}
		x.now[c.aggregateID] = now
	}
	x.adopt(c, now)
	want, code := x.expect(c, now)
	if out != nil {
		if out.accepted != (code == "") || out.code != code {
			x.violate(Decided, out.in(x.outcomesTopic), "%s %s by %s %s at version %d (%+v): the log says %s, the rules say %s", x.aggregate, c.aggregateID, c.kind, where,
				now.version, now.state, verdict(out.accepted, out.code), verdict(code == "", code))
		}
		x.first[key] = standing{out, c.same}
		x.effects(c, out, events)
	} else {
		missing := &outcome{spot: spot{-1, -1}, accepted: code == "", code: code, recordedAt: c.time * 1000, command: c.spot}
		x.first[key] = standing{missing, c.same}
	}
	if code == "" {
		x.envelopes(c, now, want, events)
	}
	accepted := out != nil && out.accepted || out == nil && code == ""
	switch {
	case len(events) > 0: // the log is believed
		for _, e := range events {
			now.state, now.version, now.recordedAt = evolve(now.state, e.kind, e.payload), e.version, e.recordedAt
		}
	case accepted && code == "":
		now.state, now.version, now.recordedAt = evolve(now.state, want.kind, want.payload), now.version+1, max(now.recordedAt, c.time*1000)
	}
	if code != "" && (out == nil || !out.accepted) && len(c.actor) > len(policyActor) && c.actor[:len(policyActor)] == policyActor {
		x.checked(DeadLettered, 1)
		x.wantDeadLetter(c, "a policy's command was rejected ("+code+")")
	}
}

// expect returns the event or the code of a command that is not a repeat.
func (x *execution) expect(c *command, now *fold) (fact, string) {
	switch {
	case c.problem != "":
		return fact{}, c.problem
	case c.expects && c.expected != now.version:
		return fact{}, "version_conflict"
	}
	return decide(x.aggregate, now.state, c.kind, c.payload)
}

func verdict(accepted bool, code string) string {
	if accepted {
		return "accepted"
	}
	return "rejected with " + code
}

// repeated checks the answer to a command id that has an outcome.
func (x *execution) repeated(c *command, out *outcome, first standing) {
	if events := x.events[c.spot]; len(events) > 0 {
		x.violate(Caused, events[0].in(x.eventsTopic), "event %s follows from %s, which only repeats command %q", events[0].id, c.in(x.commandsTopic), c.id)
		now := x.now[c.aggregateID]
		for _, e := range events {
			if now != nil {
				now.state, now.version, now.recordedAt = evolve(now.state, e.kind, e.payload), e.version, e.recordedAt
			}
		}
	}
	if out == nil {
		return
	}
	where := out.in(x.outcomesTopic)
	if !out.repeat {
		x.violate(Answered, where, "command %q of %s %s has an outcome already, at %s; this one is not marked as a repeat", c.id, x.aggregate, c.aggregateID, first.in(x.outcomesTopic))
		return
	}
	code := ""
	switch {
	case first.same == c.same:
		if !sameAnswer(out, first.outcome) {
			x.violate(Answered, where, "the repeat says %s, version %d to %d; the first outcome, at %s, says %s, version %d to %d", verdict(out.accepted, out.code),
				out.firstVersion, out.version, first.in(x.outcomesTopic), verdict(first.accepted, first.code), first.firstVersion, first.version)
		}
		return
	case c.problem != "":
		code = c.problem
	default:
		code = "command_id_reused"
	}
	if out.accepted || out.code != code {
		x.violate(Decided, where, "command id %q was used for another command; the log says %s, the rules say %s", c.id, verdict(out.accepted, out.code), verdict(false, code))
	}
}

// sameAnswer reports whether two outcomes say the same of a command.
func sameAnswer(a, b *outcome) bool {
	if b.partition < 0 { // it is missing, and known from the rules alone
		return a.accepted == b.accepted && a.code == b.code
	}
	return a.accepted == b.accepted && a.code == b.code && a.firstVersion == b.firstVersion && a.version == b.version &&
		slices.Equal(a.eventIDs, b.eventIDs) && a.recordedAt == b.recordedAt && a.command == b.command
}

// effects checks that an outcome and the events of its command belong together.
func (x *execution) effects(c *command, out *outcome, events []*event) {
	where := out.in(x.outcomesTopic)
	x.checked(Caused, 1+len(events))
	if !out.accepted {
		if out.recordedAt != c.time*1000 {
			x.violate(Answered, where, "the outcome was recorded at %d, its command at %d", out.recordedAt, c.time*1000)
		}
		if len(events) > 0 {
			x.violate(Caused, events[0].in(x.eventsTopic), "event %s follows from %s, which was rejected with %s", events[0].id, c.in(x.commandsTopic), out.code)
		}
		return
	}
	var ids []string
	for _, e := range events {
		if !slices.Contains(ids, e.id) { // an event that is there twice is an offence of its own
			ids = append(ids, e.id)
		}
	}
	switch {
	case !slices.Equal(ids, out.eventIDs):
		x.violate(Caused, where, "the outcome of %s names the events %v, the log has %v", c.in(x.commandsTopic), out.eventIDs, ids)
	case len(events) > 0 && (out.firstVersion != events[0].version || out.version != events[len(ids)-1].version):
		x.violate(Caused, where, "the outcome has versions %d to %d, its events %d to %d", out.firstVersion, out.version, events[0].version, events[len(ids)-1].version)
	case len(events) > 0 && out.recordedAt != events[0].recordedAt:
		x.violate(Caused, where, "the outcome was recorded at %d, its event at %d", out.recordedAt, events[0].recordedAt)
	}
}

// envelopes compares the events of an accepted command with what it had to lead to.
func (x *execution) envelopes(c *command, now *fold, want fact, events []*event) {
	if len(events) == 0 {
		return
	}
	e := events[0]
	where := e.in(x.eventsTopic)
	if got := (fact{e.kind, e.payload}); got != want {
		x.violate(Decided, where, "the event is %v, the rules lead to %v", got, want)
	}
	recorded := max(now.recordedAt, c.time*1000)
	for _, one := range []struct{ field, got, want string }{
		{"event_id", e.id, eventID(c.id, c.aggregateID, 0)}, {"command_id", e.commandID, c.id}, {"causation_id", e.causationID, c.id},
		{"correlation_id", e.correlationID, c.correlation}, {"actor", e.actor, c.actor}, {"aggregate_id", e.aggregateID, c.aggregateID},
		{"recorded_at", fmt.Sprint(e.recordedAt), fmt.Sprint(recorded)}, {"traceparent", e.traceparent, c.traceparent},
	} {
		if one.got != one.want {
			x.violate(Versions, where, "%s is %q, from the command at %s follows %q", one.field, one.got, c.in(x.commandsTopic), one.want)
		}
	}
	for _, extra := range events[1:] {
		if !bytes.Equal(extra.value, e.value) { // a copy is an offence against the versions
			x.violate(Decided, extra.in(x.eventsTopic), "a second event of the command at %s, whose rules lead to one", c.in(x.commandsTopic))
		}
	}
}
