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

// checkOtherDeadLetters checks that policies and projections set nothing aside: all events can be read (I10).
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

// checkPolicies checks that each event led to its command exactly once, and that policies sent nothing else (I4).
func (d *dump) checkPolicies() {
	sent := map[string][]*command{} // by aggregate type and command key
	for _, a := range aggregates {
		for _, c := range d.commands[a] {
			if len(c.actor) > len(policyActor) && c.actor[:len(policyActor)] == policyActor && c.bad == "" {
				key := a + "\x00" + commandKey(c.aggregateID, c.id)
				sent[key] = append(sent[key], c)
			}
		}
	}
	expected := map[string]bool{}
	for _, a := range aggregates {
		for _, e := range d.events[a] {
			r, reacts := react(e.kind, e.aggregateID, e.payload)
			if !reacts {
				continue
			}
			d.checked(Caused, 1)
			where := e.in(d.names.events(a))
			id := policyCommandID(r.policy, e.id)
			key := r.aggregate + "\x00" + commandKey(r.id, id)
			topic := d.names.commands(r.aggregate)
			twin := expected[key] // the event is there twice, which I2 says
			expected[key] = true
			if twin {
				continue
			}
			commands := sent[key]
			if len(commands) == 0 {
				d.violate(Caused, where, "policy %s did not send %s %s the command %s for %s", r.policy, r.aggregate, r.id, r.kind, e.kind)
				continue
			}
			for _, extra := range commands[1:] {
				d.violate(Caused, extra.in(topic), "policy %s sent the command of the event at %s again; first at %s", r.policy, where, commands[0].in(topic))
			}
			c := commands[0]
			switch {
			case c.kind != r.kind || c.payload != r.payload:
				d.violate(Caused, c.in(topic), "policy %s sent %s%+v for the event at %s, which asks for %s%+v", r.policy, c.kind, c.payload, where, r.kind, r.payload)
			case c.actor != policyActor+r.policy || c.causation != e.id || c.correlation != e.correlationID || c.traceparent != e.traceparent || c.expects:
				d.violate(Caused, c.in(topic), "actor %q, causation %q, correlation %q or trace do not follow from the event at %s", c.actor, c.causation, c.correlation, where)
			}
		}
	}
	for _, a := range aggregates {
		for _, c := range d.commands[a] {
			key := a + "\x00" + commandKey(c.aggregateID, c.id)
			if len(sent[key]) > 0 && sent[key][0] == c && !expected[key] {
				d.violate(Caused, c.in(d.names.commands(a)), "%s sent command %q to %s %s without an event that asks for it", c.actor, c.id, a, c.aggregateID)
			}
		}
	}
}

// checkRekeyed checks that each event reached the partition of its row exactly once (I4).
func (d *dump) checkRekeyed() {
	for _, p := range projections {
		topic := d.names.rekeyed(p.name)
		places, dumped := d.topics.Topics[topic]
		if !p.rekeyed || !dumped {
			continue
		}
		copies, done := map[[32]byte][]*entry{}, map[[32]byte]bool{}
		for _, r := range d.rekeyed[p.name] {
			sum := digestOf(r.value)
			copies[sum] = append(copies[sum], r)
		}
		for _, e := range d.events[p.source] {
			key := rekeyedKey(p.name, e)
			sum := digestOf(e.value)
			if done[sum] {
				continue // the event is there twice, which I2 says
			}
			done[sum] = true
			have := copies[sum]
			delete(copies, sum)
			if key == "" && len(have) == 0 {
				continue
			}
			d.checked(Caused, 1)
			where, partition := e.in(d.names.events(p.source)), partitionOf(key, d.run.Partitions)
			switch {
			case key == "":
				d.violate(Caused, have[0].in(topic), "the event at %s concerns no row of %s, and was re-keyed to %q", where, p.name, have[0].key)
			case len(have) == 0 && places.Start[partition] > 0: // removed behind the committed offset
			case len(have) == 0:
				d.violate(Caused, where, "the event did not reach row %q of %s", key, p.name)
			case len(have) > 1:
				d.violate(Caused, have[1].in(topic), "the event at %s was re-keyed twice", where)
			case have[0].key != key || have[0].partition != partition:
				d.violate(Caused, have[0].in(topic), "the event at %s was re-keyed to %q in partition %d instead of %q in %d", where, have[0].key, have[0].partition, key, partition)
			}
		}
		for _, r := range d.rekeyed[p.name] {
			if rest := copies[digestOf(r.value)]; len(rest) > 0 {
				d.violate(Caused, r.in(topic), "this was re-keyed, but there is no such event")
			}
		}
	}
}
