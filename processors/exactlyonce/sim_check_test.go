package exactlyonce

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/topology"
)

// checkStored asserts, whenever a row is written to a store, that it is committed (invariant 6).
func (s *sim) checkStored(path string, key, value []byte) {
	if key[0] != kindRow {
		return
	}
	if !s.brokers.topics[s.clients.world.table()].rows[string(key[1:])+"="+string(value)] {
		s.fail("store %s is given row %q = %q, which is not committed (invariant 6)", path, key[1:], value)
	}
}

// check compares all that was committed with what the commands lead to, the stores with what was
// committed, and the offsets with the ends.
func (s *sim) check() {
	w := s.clients.world
	visible := func(topic string) map[int32][]*kgo.Record {
		all := map[int32][]*kgo.Record{}
		for _, p := range s.brokers.topics[topic].partitions {
			all[p.number] = p.visible()
		}
		return all
	}
	outcomes, table := visible(w.outcomes()), visible(w.table())
	if s.clients.relays {
		compareRelayed(s.fail, visible(w.commands()), visible(w.events()))
	} else {
		compare(s.fail, w.partitions, visible(w.commands()), outcomes, visible(w.events()), table)
	}
	for p := range int32(w.partitions) {
		if at, end := s.brokers.group.committed[p], s.clients.end(p); at < end || at > s.brokers.partition(w.commands(), p).end {
			s.fail("the group's offset of partition %d is %d, the last command is before %d", p, at, end)
		}
		s.checkProgress(p)
	}
	for _, i := range s.instances {
		for _, path := range append([]string{}, i.disk.paths...) {
			s.checkStore(i.disk, path)
		}
	}
}

// checkProgress asserts that progress is told after what it speaks of: in no earlier transaction,
// and behind the rows of its own.
func (s *sim) checkProgress(partition int32) {
	w := s.clients.world
	// offset of the input; place of the transaction among the committed
	type told struct{ at, place int }
	all := map[int32][]told{} // by source partition
	lastRow := map[int]int64{}
	log := s.brokers.partition(s.clients.group.ProgressTopic, partition).log
	for _, r := range log {
		if r.state == decidedCommitted && !r.Attrs.IsControl() && !strings.HasPrefix(string(r.Key), topology.ProgressPrefix) {
			lastRow[r.txn] = r.Offset
		}
	}
	for _, r := range log {
		text := header(r.Record, "foldlog-progress")
		if r.state != decidedCommitted || text == "" {
			continue
		}
		position, err := foldlog.ParsePosition(text)
		if err != nil {
			s.fail("progress %q: %v", text, err)
			return
		}
		if lastRow[r.txn] > r.Offset {
			s.fail("progress %s of partition %d is told before a record of the same transaction", text, partition)
		}
		all[position.Partition] = append(all[position.Partition], told{int(position.Offset), s.brokers.ended[r.txn]})
	}
	for _, topic := range []string{w.outcomes(), w.deadLetters(), w.events()} {
		for _, r := range s.brokers.partition(topic, partition).log {
			var from, offset int
			if r.state != decidedCommitted || r.Attrs.IsControl() || strings.HasPrefix(string(r.Key), topology.ProgressPrefix) {
				continue
			}
			if _, err := fmt.Sscanf(header(r.Record, causeHeader), "%d/%d", &from, &offset); err != nil {
				s.fail("record %q of %s/%d has cause %q", r.Value, topic, partition, header(r.Record, causeHeader))
				return
			}
			for _, t := range all[int32(from)] {
				if t.at >= offset && t.place < s.brokers.ended[r.txn] {
					s.fail("progress of partition %d up to %d was told before %q, which follows from %d", from, t.at, r.Value, offset)
					return
				}
			}
		}
	}
}

// checkStore opens a store as a successor would, and asserts that it has what was committed below
// its place in the log.
func (s *sim) checkStore(d *simDisk, path string) {
	w := s.clients.world
	partition := simStorePartition(path)
	want := expected{group: w.name, partition: partition, tableID: s.brokers.topics[w.table()].id, indexID: s.brokers.topics[w.outcomes()].id, longestAbsence: 12 * time.Hour}
	if d.databases[path].damaged {
		return
	}
	st, reason, err := openStore(d, path, want, discard)
	if err != nil {
		s.fail("open store %s: %v", path, err)
		return
	}
	defer func() { _ = st.close() }()
	if reason != "" {
		return
	}
	table, index := s.brokers.partition(w.table(), partition), s.brokers.partition(w.outcomes(), partition)
	if st.receipt.TableNext > table.end || st.receipt.IndexNext > index.end {
		s.fail("store %s is at %+v, behind the ends %d and %d", path, st.receipt, table.end, index.end)
	}
	rows := map[string]string{}
	for _, r := range table.visible() {
		if !strings.HasPrefix(string(r.Key), topology.ProgressPrefix) {
			if r.Offset < st.receipt.TableNext {
				rows[string(r.Key)] = string(r.Value)
			} else {
				delete(rows, string(r.Key)) // the successor will read it
			}
		}
	}
	known := map[string]bool{}
	for _, r := range table.visible() {
		known[string(r.Key)] = true
	}
	for _, key := range slices.Sorted(maps.Keys(d.databases[path].content)) {
		if key[0] == kindRow && !known[key[1:]] {
			s.fail("store %s has row %s, but the table has not (any more)", path, key[1:])
		}
	}
	for key, value := range rows {
		if have, _ := st.get(kindRow, []byte(key)); string(have) != value {
			s.fail("store %s has row %s = %q, committed below its place %d is %q", path, key, have, st.receipt.TableNext, value)
		}
	}
	entries := map[string]string{}
	for _, r := range index.visible() {
		if r.Offset < st.receipt.IndexNext {
			if e, ok, _ := s.clients.group.Index.Read(context.Background(), &record.Record{Key: r.Key, Value: r.Value}); ok {
				entries[e.Key] = string(r.Value)
			}
		}
	}
	for key, value := range entries {
		raw, _ := st.get(kindIndex, []byte(key))
		r, err := decodeRemembered(raw)
		if err != nil || string(r.Value) != value {
			s.fail("store %s has index entry %q = %q, committed below its place %d is %q", path, key, raw, st.receipt.IndexNext, value)
		}
	}
}

// compareRelayed reports relayed events that are not the commands, and progress that does
// not end with the last of them.
func compareRelayed(report func(format string, args ...any), commands, events map[int32][]*kgo.Record) {
	var want, got []string
	progress := map[string]string{}
	for p, records := range events {
		at := map[string]int64{} // source partition -> offset of the last one
		for _, r := range records {
			if text := header(r, "foldlog-progress"); text != "" {
				position, err := foldlog.ParsePosition(text)
				if err != nil {
					report("progress %q: %v", text, err)
					return
				}
				progress[fmt.Sprintf("%d to %d", position.Partition, p)] = text
				continue
			}
			got = append(got, fmt.Sprintf("%s %s", header(r, causeHeader), r.Value))
			from, offsetText, _ := strings.Cut(header(r, causeHeader), "/")
			offset, err := strconv.ParseInt(offsetText, 10, 64)
			if last, some := at[from]; err != nil || some && offset <= last {
				report("event %q of %s/%d comes after that of %d", r.Value, from, offset, last)
			}
			at[from] = offset
		}
	}
	last := map[int32]int64{}
	for p, records := range commands {
		for _, c := range records {
			if string(c.Value) != "ignore" {
				want = append(want, fmt.Sprintf("%d/%d %s", c.Partition, c.Offset, c.Value))
				last[p] = c.Offset
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	same(report, "relayed event", want, got)
	for _, p := range slices.Sorted(maps.Keys(last)) {
		for _, q := range slices.Sorted(maps.Keys(events)) {
			if have := progress[fmt.Sprintf("%d to %d", p, q)]; have != fmt.Sprintf("acc/%d/%d", p, last[p]) {
				report("progress of partition %d told in partition %d: %q, the last command is at %d", p, q, have, last[p])
			}
		}
	}
}
