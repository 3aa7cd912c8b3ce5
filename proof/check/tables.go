package check

import (
	"bytes"
	"fmt"
)

// tableState is a row of an aggregate type's table.
type tableState struct {
	state
	version, recordedAt int64
	chain               []byte
}

// checkTables decides the part of I3 that is in Kafka, and returns the state tables.
func (d *dump) checkTables(f *folding) map[string]map[string]*tableState {
	tables := map[string]map[string]*tableState{}
	for _, a := range aggregates {
		tables[a] = map[string]*tableState{}
		topic := d.names.table(a)
		for _, id := range sortedKeys(d.tables[a]) {
			d.checked(Folded, 1)
			row := d.tables[a][id]
			where := fmt.Sprintf("%s (%s)", row.in(topic), id)
			s, document, err := d.decodeState(a, row.value)
			if err != nil {
				d.violate(Folded, where, "no state can be read here: %v", err)
				continue
			}
			tables[a][id] = s
			have := f.folds[a][id]
			switch {
			case have == nil:
				d.violate(Folded, where, "a row of an aggregate without events")
			case have.version != s.version:
				d.violate(Folded, where, "the row has version %d, the events lead to %d", s.version, have.version)
			case differ(document, have.state.document(a)) != "":
				d.violate(Folded, where, "the row is not the fold of its events: %s", differ(document, have.state.document(a)))
			case have.recordedAt != s.recordedAt:
				d.violate(Folded, where, "the row was recorded at %d, the last event at %d", s.recordedAt, have.recordedAt)
			case !bytes.Equal(have.chain, s.chain):
				d.violate(Folded, where, "the row's chain is %x, the last event's %x", s.chain, have.chain)
			}
		}
		for _, id := range sortedKeys(f.folds[a]) {
			if d.tables[a][id] == nil {
				d.violate(Folded, topic, "%s %s has events and no row", a, id)
			}
		}
	}
	for _, p := range projections {
		topic := d.names.table(p.name)
		for _, key := range sortedKeys(d.tables[p.name]) {
			d.checked(Folded, 1)
			row := d.tables[p.name][key]
			where := fmt.Sprintf("%s (%s)", row.in(topic), key)
			document, _, err := d.schemas.decode(row.value)
			if err == nil {
				document, err = today(document)
			}
			want := f.rows[p.name][key]
			switch {
			case err != nil:
				d.violate(Folded, where, "no row can be read here: %v", err)
			case want == nil:
				d.violate(Folded, where, "the events lead to no such row")
			case differ(document, want) != "":
				d.violate(Folded, where, "the row is not what the events lead to: %s", differ(document, want))
			}
		}
		for _, key := range sortedKeys(f.rows[p.name]) {
			if d.tables[p.name][key] == nil {
				d.violate(Folded, topic, "the row %q is missing", key)
			}
		}
	}
	return tables
}

func (d *dump) decodeState(aggregate string, value []byte) (*tableState, map[string]any, error) {
	raw, _, err := d.schemas.decode(value)
	if err != nil {
		return nil, nil, err
	}
	a := &avroFields{fields: raw}
	s := &tableState{version: a.long("version"), recordedAt: a.long("recorded_at"), chain: a.bytes("chain")}
	document, ok := raw["state"].(map[string]any)
	if !ok {
		a.fail("state")
		return nil, nil, a.err
	}
	document, err = today(document)
	if err != nil {
		return nil, nil, err
	}
	inner := &avroFields{fields: document}
	s.status, s.currency = inner.text("status"), inner.text("currency")
	if aggregate == "account" {
		s.balance = inner.long("balance")
	}
	if a.err == nil {
		a.err = inner.err
	}
	return s, document, a.err
}

// checkProgress checks what tables say of their freshness (I8): no more than is true, and at rest
// no less.
func (d *dump) checkProgress() {
	// by aggregate type: the last command of a partition that had events
	final := map[string]map[int32]int64{}
	real := map[position]bool{}
	for _, a := range aggregates {
		final[a] = map[int32]int64{}
		known := map[spot]bool{}
		for _, c := range d.commands[a] {
			known[c.spot] = true
		}
		for _, e := range d.events[a] {
			real[position{a, e.cause.partition, e.cause.offset}] = true
			if !known[e.cause] {
				continue
			}
			if last, any := final[a][e.cause.partition]; !any || e.cause.offset > last {
				final[a][e.cause.partition] = e.cause.offset
			}
		}
	}
	tables := []struct {
		topic, source string
		all           bool
	}{{d.names.table("account"), "account", false}, {d.names.table("transfer"), "transfer", false}}
	for _, p := range projections {
		tables = append(tables, struct {
			topic, source string
			all           bool
		}{d.names.table(p.name), p.source, p.rekeyed})
	}
	for _, t := range tables {
		if _, dumped := d.topics.Topics[t.topic]; !dumped {
			continue
		}
		reached := map[int32]map[int32]int64{} // partition, source partition
		for _, m := range d.progress[t.topic] {
			d.checked(Monotonic, 1)
			switch {
			case !m.sound || partitionOf(m.key, d.run.Partitions) != m.partition:
				d.violate(Monotonic, m.in(t.topic), "the progress record %q cannot be read or is in the wrong partition", m.key)
				continue
			case m.Aggregate != t.source || !real[m.position]:
				d.violate(Monotonic, m.in(t.topic), "the table claims to show the command at %s, which has no events", m.position)
				continue
			}
			if reached[m.partition] == nil {
				reached[m.partition] = map[int32]int64{}
			}
			if last, any := reached[m.partition][m.position.Partition]; !any || m.position.Offset > last {
				reached[m.partition][m.position.Partition] = m.position.Offset
			}
		}
		for p := range int32(d.run.Partitions) {
			for source := range int32(d.run.Partitions) {
				want, any := final[t.source][source]
				if !any || !t.all && source != p {
					continue
				}
				d.checked(Monotonic, 1)
				if have, ok := reached[p][source]; !ok || have < want {
					d.violate(Monotonic, fmt.Sprintf("%s/%d", t.topic, p), "at rest the table says that it shows commands up to %d of %s/%d, the last with events is %d: readers who wait for it time out",
						have, t.source, source, want)
				}
			}
		}
	}
}
