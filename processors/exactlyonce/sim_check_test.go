package exactlyonce

import (
	"context"
	"fmt"
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
	if !s.brokers.topics[s.clients.group.Table.Topic].rows[string(key[1:])+"="+string(value)] {
		s.fail("store %s is given row %q = %q, which is not committed (invariant 6)", path, key[1:], value)
	}
}

// check compares all that was committed with what the commands lead to, the stores with what was committed, and the offsets with the ends.
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
	compare(s.fail, w.partitions, visible(w.commands()), outcomes, visible(w.events()), table)
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

// checkProgress asserts that progress is told after what it speaks of: in no earlier transaction, and behind the rows of its own.
func (s *sim) checkProgress(partition int32) {
	w := s.clients.world
	type told struct{ at, place int } // offset of the input; place of the transaction among the committed
	var all []told
	lastRow := map[int]int64{}
	log := s.brokers.partition(w.table(), partition).log
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
			s.fail("progress %s of partition %d is told before a row of the same transaction", text, partition)
		}
		all = append(all, told{int(position.Offset), s.brokers.ended[r.txn]})
	}
	for _, topic := range []string{w.outcomes(), w.deadLetters()} {
		for _, r := range s.brokers.partition(topic, partition).log {
			var from, offset int
			if r.state != decidedCommitted || r.Attrs.IsControl() {
				continue
			}
			if _, err := fmt.Sscanf(header(r.Record, causeHeader), "%d/%d", &from, &offset); err != nil || from != int(partition) {
				s.fail("record %q of %s/%d has cause %q", r.Value, topic, partition, header(r.Record, causeHeader))
				return
			}
			for _, t := range all {
				if t.at >= offset && t.place < s.brokers.ended[r.txn] {
					s.fail("progress of partition %d up to %d was told before %q, which follows from %d", partition, t.at, r.Value, offset)
					return
				}
			}
		}
	}
}

// checkStore opens a store as a successor would, and asserts that it has what was committed below its place in the log.
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
