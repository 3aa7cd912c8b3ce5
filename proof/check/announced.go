package check

import "sort"

// announced is what the progress records of a partition say of a source partition, in the order of
// the log.
type announced struct {
	marks   []mark
	highest []int64 // of all marks up to that one
}

// firstWith returns the first mark that claims that the partition shows the command at offset, or
// nil.
func (a *announced) firstWith(offset int64) *mark {
	if a == nil {
		return nil
	}
	n := sort.Search(len(a.highest), func(i int) bool { return a.highest[i] >= offset })
	if n == len(a.marks) {
		return nil
	}
	return &a.marks[n]
}

// announcements sorts a topic's progress records by partition and source partition, and checks that
// they never go back (I8).
func (d *dump) announcements(topic, source string) map[[2]int32]*announced {
	all := map[[2]int32]*announced{}
	for _, m := range d.progress[topic] {
		if !m.sound || m.Aggregate != source {
			continue
		}
		key := [2]int32{m.spot.partition, m.position.Partition}
		a := all[key]
		if a == nil {
			a = &announced{}
			all[key] = a
		}
		highest := m.position.Offset
		if n := len(a.highest); n > 0 && a.highest[n-1] > highest {
			highest = a.highest[n-1]
			d.violate(Monotonic, m.in(topic), "progress went back to %s, from %d", m.position, highest)
		}
		a.marks, a.highest = append(a.marks, m), append(a.highest, highest)
	}
	return all
}

// checkAnnouncements checks that progress is written after all that it speaks of (I8): a reader
// that waits for it would otherwise get an older row. Of re-keyed tables the rows of earlier
// events are not known, so their inputs are checked instead.
func (d *dump) checkAnnouncements(f *folding) {
	for _, t := range []struct{ name, source string }{{"account", "account"}, {"transfer", "transfer"}, {"balances", "account"}, {"transfers", "transfer"}} {
		topic := d.names.table(t.name)
		all := d.announcements(topic, t.source)
		for _, key := range sortedKeys(d.tables[t.name]) {
			row, have := d.tables[t.name][key], f.folds[t.source][key]
			if have == nil {
				continue
			}
			d.checked(Monotonic, 1)
			if m := all[[2]int32{row.partition, have.cause.partition}].firstWith(have.cause.offset); m != nil && m.spot.before(row.spot) {
				d.violate(Monotonic, m.in(topic), "the table claims to show %s, but the row of %q comes only at offset %d", m.position, key, row.offset)
			}
		}
	}
	for _, p := range projections {
		topic := d.names.rekeyed(p.name)
		if !p.rekeyed {
			continue
		}
		all := d.announcements(topic, p.source)
		for _, r := range d.rekeyed[p.name] {
			e := r.event
			if e == nil {
				continue // said by checkRekeyed
			}
			d.checked(Monotonic, 1)
			if m := all[[2]int32{r.partition, e.cause.partition}].firstWith(e.cause.offset); m != nil && m.spot.before(r.spot) {
				d.violate(Monotonic, m.in(topic), "the partition claims to have %s, but its event %s comes only at offset %d", m.position, e.id, r.offset)
			}
		}
	}
}
