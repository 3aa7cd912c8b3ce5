package check

// strangers finds what follows from no command (I4, I10).
func (x *execution) strangers() {
	known := make(map[spot]bool, len(x.commands[x.aggregate]))
	for _, c := range x.commands[x.aggregate] {
		known[c.spot] = true
		if c.forwarded && !x.claimed[c.spot] {
			x.violate(Caused, c.in(x.commandsTopic), "a forwarded command, but there is no original at %q that had to be forwarded", c.origin)
		}
	}
	start := x.topics.Topics[x.commandsTopic].Start
	gone := func(s spot) bool { return s.offset < start[s.partition] } // past retention
	for _, e := range x.dump.events[x.aggregate] {
		if !known[e.cause] && !gone(e.cause) {
			x.violate(Caused, e.in(x.eventsTopic), "event %s of %s %s has no command: there is none at %s", e.id, x.aggregate, e.aggregateID, e.cause.in(x.commandsTopic))
		}
	}
	for _, o := range x.dump.outcomes[x.aggregate] {
		x.checked(Caused, 1)
		if !known[o.cause] && !gone(o.cause) {
			x.violate(Caused, o.in(x.outcomesTopic), "the outcome of %q of %s %s has no command: there is none at %s", o.commandID, x.aggregate, o.aggregateID,
				o.cause.in(x.commandsTopic))
		}
	}
	group := x.names.group(x.aggregate)
	for _, l := range x.dump.deadLetters[group] {
		x.checked(DeadLettered, 1)
		switch {
		case l.coordinate != nil:
			x.violate(DeadLettered, l.in(l.topic), "the dead letter %v", l.coordinate)
		case l.group != group:
			x.violate(DeadLettered, l.in(l.topic), "the dead letter says it is of group %q", l.group)
		case l.source != x.commandsTopic || !x.expectedDeadLetters[l.place]:
			x.violate(DeadLettered, l.in(l.topic), "a dead letter of %s, where there is no bad input and no rejected command of a policy", l.place.in(l.source))
		}
	}
}

// order checks that outcomes and events have the order of their commands (I5).
func (x *execution) order() {
	last := map[string]*outcome{}
	for _, o := range x.dump.outcomes[x.aggregate] {
		x.checked(Ordered, 1)
		if before := last[o.aggregateID]; before != nil && o.partition == before.partition && o.cause.before(before.cause) {
			x.violate(Ordered, o.in(x.outcomesTopic), "the outcome of the command at %s comes after that of %s, both of %s %s", o.cause.in(x.commandsTopic),
				before.cause.in(x.commandsTopic), x.aggregate, o.aggregateID)
			continue
		}
		last[o.aggregateID] = o
	}
	lastEvent := map[string]*event{}
	for _, e := range x.dump.events[x.aggregate] {
		x.checked(Ordered, 1)
		if before := lastEvent[e.aggregateID]; before != nil && e.partition == before.partition && e.cause.before(before.cause) {
			x.violate(Ordered, e.in(x.eventsTopic), "the event of the command at %s comes after that of %s, both of %s %s", e.cause.in(x.commandsTopic),
				before.cause.in(x.commandsTopic), x.aggregate, e.aggregateID)
			continue
		}
		lastEvent[e.aggregateID] = e
	}
}

// checkOtherDeadLetters checks that policies and projections set nothing aside: all events can be
// read (I10).
func (d *dump) checkOtherDeadLetters() {
	for _, g := range d.groups() {
		if g.name == d.names.group("account") || g.name == d.names.group("transfer") {
			continue
		}
		for _, l := range d.deadLetters[g.name] {
			d.checked(DeadLettered, 1)
			d.violate(DeadLettered, l.in(l.topic), "group %s set %s aside, which is an event", g.name, l.place.in(l.source))
		}
	}
}
