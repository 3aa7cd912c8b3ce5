package check

// checkPolicies checks that each event led to its command exactly once, and that policies sent
// nothing else (I4).
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
	// the last command by policy, source and target
	expected, last := map[string]bool{}, map[string]*command{}
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
			flow := r.policy + "\x00" + e.aggregateID + "\x00" + r.id
			if before := last[flow]; before != nil && c.before(before.spot) {
				d.violate(Ordered, c.in(topic), "policy %s sent this command to %s before that at %s, though its event at %s is the later one", r.policy, r.id, before.in(topic), where)
			}
			last[flow] = c
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
			copies[r.sum] = append(copies[r.sum], r)
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
			for _, r := range have {
				r.event = e
			}
			if key == "" && len(have) == 0 {
				continue
			}
			d.checked(Caused, 1)
			where, partition := e.in(d.names.events(p.source)), partitionOf(key, d.run.Partitions)
			switch {
			case key == "":
				d.violate(Caused, have[0].in(topic), "the event at %s concerns no row of %s, and was re-keyed to %q", where, p.name, have[0].key)
			// removed behind the committed offset
			case len(have) == 0 && places.Start[partition] > 0:
			case len(have) == 0:
				d.violate(Caused, where, "the event did not reach row %q of %s", key, p.name)
			case len(have) > 1:
				d.violate(Caused, have[1].in(topic), "the event at %s was re-keyed twice", where)
			case have[0].key != key || have[0].partition != partition:
				d.violate(Caused, have[0].in(topic), "the event at %s was re-keyed to %q in partition %d instead of %q in %d", where, have[0].key, have[0].partition, key, partition)
			}
		}
		for _, r := range d.rekeyed[p.name] {
			if rest := copies[r.sum]; len(rest) > 0 {
				d.violate(Caused, r.in(topic), "this was re-keyed, but there is no such event")
			}
		}
	}
}

// checkRekeyedOrder checks that events reach a row in the order of their aggregate (I5).
func (d *dump) checkRekeyedOrder() {
	for _, p := range projections {
		topic := d.names.rekeyed(p.name)
		last := map[string]*entry{}
		for _, r := range d.rekeyed[p.name] {
			if r.event == nil {
				continue
			}
			d.checked(Ordered, 1)
			flow := r.key + "\x00" + r.event.aggregateID
			if before := last[flow]; before != nil && r.event.version < before.event.version {
				d.violate(Ordered, r.in(topic), "version %d of %s %s reaches row %q after version %d", r.event.version, p.source, r.event.aggregateID, r.key, before.event.version)
			}
			last[flow] = r
		}
	}
}
