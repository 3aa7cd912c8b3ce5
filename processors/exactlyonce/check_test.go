package exactlyonce

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/topology"
)

// read returns all committed records of a topic, by partition, in order.
func (w *world) read(topic string) map[int32][]*kgo.Record {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	all := map[int32][]*kgo.Record{}
	ends, err := w.admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		w.t.Fatalf("find the end of %s: %v", topic, err)
	}
	starts := map[int32]kgo.Offset{}
	at := map[int32]int64{}
	for p := range int32(w.partitions) {
		if e, _ := ends.Lookup(topic, p); e.Offset > 0 {
			starts[p] = kgo.NewOffset().AtStart()
			at[p] = 0
		}
	}
	if len(starts) == 0 {
		return all
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	for {
		missing := 0
		for p, next := range at {
			if e, _ := ends.Lookup(topic, p); next < e.Offset {
				missing++
			}
		}
		if missing == 0 {
			return all
		}
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			w.t.Fatalf("read %s to its end (at %v): %v", topic, at, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at[r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				all[r.Partition] = append(all[r.Partition], r)
			}
		})
	}
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// outcomesCommitted counts the outcomes that readers can see.
func (w *world) outcomesCommitted() int {
	n := 0
	for _, records := range w.read(w.outcomes()) {
		n += len(records)
	}
	return n
}

// awaitOutcomes waits until there are at least n outcomes.
func (w *world) awaitOutcomes(n int, who ...*running) {
	w.t.Helper()
	w.eventually(120*time.Second, fmt.Sprintf("%d outcomes", n), func() error {
		if have := w.outcomesCommitted(); have < n {
			states := ""
			for _, r := range who {
				states += " [" + r.status() + "]"
			}
			return fmt.Errorf("%d outcomes%s", have, states)
		}
		return nil
	})
}

// awaitHandled waits until everything sent is handled, by the group's committed offsets.
func (w *world) awaitHandled(who ...*running) {
	w.t.Helper()
	w.eventually(120*time.Second, "all commands to be handled", func() error {
		ctx := context.Background()
		ends, err := w.admin.ListEndOffsets(ctx, w.commands())
		if err != nil {
			return err
		}
		committed, err := w.admin.FetchOffsets(ctx, w.name)
		if err != nil {
			return err
		}
		states := ""
		for _, r := range who {
			states += " [" + r.status() + "]"
		}
		for p := range int32(w.partitions) {
			end, _ := ends.Lookup(w.commands(), p)
			if o, _ := committed.Lookup(w.commands(), p); o.At < end.Offset && end.Offset > 0 {
				return fmt.Errorf("partition %d: %d of %d%s", p, o.At, end.Offset, states)
			}
		}
		return nil
	})
}

// check compares all that was written with what the commands lead to by a model of its own.
func (w *world) check() {
	w.t.Helper()
	compare(w.t.Errorf, w.partitions, w.read(w.commands()), w.read(w.outcomes()), w.read(w.events()), w.read(w.table()))
}

// compare reports where committed records are not what the commands lead to.
func compare(report func(format string, args ...any), partitions int, commands, outcomes, events, table map[int32][]*kgo.Record) {
	var wantOutcomes, wantEvents []string
	rows, wantRows := map[string]row{}, map[string]string{}
	seen := map[string]string{}
	last := map[int32]int64{}
	var gotOutcomes, gotEvents []string
	for p := range int32(partitions) {
		for _, c := range commands[p] {
			key, cause := string(c.Key), fmt.Sprintf("%d/%d", c.Partition, c.Offset)
			id, amountText, ok := strings.Cut(string(c.Value), " ")
			amount, err := strconv.ParseInt(amountText, 10, 64)
			if string(c.Value) == "ignore" {
				continue
			}
			last[p] = c.Offset
			reset := amountText == "reset"
			if !ok || err != nil && !reset {
				continue // a dead letter
			}
			if v, repeated := seen[key+"\x00"+id]; repeated {
				wantOutcomes = append(wantOutcomes, fmt.Sprintf("%d %s %s %s %s repeat", p, cause, key, id, v))
				continue
			}
			r := rows[key]
			r.version++
			r.sum += amount
			rows[key] = r
			wantRows[key] = r.String()
			if reset {
				delete(rows, key)
				wantRows[key] = ""
			}
			seen[key+"\x00"+id] = strconv.FormatInt(r.version, 10)
			wantOutcomes = append(wantOutcomes, fmt.Sprintf("%d %s %s %s %d first", p, cause, key, id, r.version))
			wantEvents = append(wantEvents, fmt.Sprintf("%d %s %s %d %s %s", p, cause, key, r.version, id, amountText))
		}
		for _, o := range outcomes[p] {
			gotOutcomes = append(gotOutcomes, fmt.Sprintf("%d %s %s %s", p, header(o, causeHeader), o.Key, o.Value))
		}
		for _, e := range events[p] {
			gotEvents = append(gotEvents, fmt.Sprintf("%d %s %s %s", p, header(e, causeHeader), e.Key, e.Value))
		}
	}
	same(report, "outcome", wantOutcomes, gotOutcomes)
	same(report, "event", wantEvents, gotEvents)
	got := map[string]string{}
	progress := map[int32]string{}
	for p, records := range table {
		for _, r := range records {
			if strings.HasPrefix(string(r.Key), topology.ProgressPrefix) {
				progress[p] = header(r, "foldlog-progress")
				if topology.PartitionOf(r.Key, partitions) != p {
					report("progress record %s is in partition %d", r.Key, p)
				}
				continue
			}
			got[string(r.Key)] = string(r.Value)
		}
	}
	for key, want := range wantRows {
		if got[key] != want {
			report("row %s: %q, want %q", key, got[key], want)
		}
	}
	for p, offset := range last {
		if want := fmt.Sprintf("acc/%d/%d", p, offset); progress[p] != want {
			report("progress of partition %d: %q, want %q", p, progress[p], want)
		}
	}
}

// same compares two sequences that should be equal, and shows where they part.
func same(report func(format string, args ...any), what string, want, got []string) {
	if len(want) != len(got) {
		report("%d %ss, want %d", len(got), what, len(want))
	}
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			report("%s %d: %q, want %q", what, i, got[i], want[i])
			return
		}
	}
}
