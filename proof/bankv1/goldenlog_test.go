package bankv1_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/foldlog/foldlog/cli/clitest"
	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/proof/bankv1"
	"github.com/foldlog/foldlog/topology"
)

var update = flag.Bool("update", false, "record the golden log where it does not exist; an existing one is never changed")

// goldenLog is what yesterday's program wrote, as it wrote it: one record a line.
const goldenLog = "testdata/log-v1.jsonl"

// logged is a record of the golden log. Its value lacks the prefix with the schema's id, which is
// the registry's own: Schema names what it was written with, such as "account.events/1"; "" is a
// record that is not in the wire format.
type logged struct {
	Topic   string            `json:"topic"`
	Schema  string            `json:"schema,omitempty"`
	Key     string            `json:"key"`
	Value   []byte            `json:"value"`
	Time    time.Time         `json:"time"`
	Headers map[string][]byte `json:"headers,omitempty"`
}

// readGoldenLog returns the records by topic, in the order in which they were written to each
// partition.
func readGoldenLog(t *testing.T) map[string][]logged {
	t.Helper()
	if _, err := os.Stat(goldenLog); errors.Is(err, fs.ErrNotExist) && *update {
		recordGoldenLog(t)
	}
	file, err := os.Open(goldenLog)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all := map[string][]logged{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var r logged
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		all[r.Topic] = append(all[r.Topic], r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// story sends commands that lead to every event of the account, in every form in which yesterday's
// producers sent them.
func story(t *testing.T, s *clitest.System) {
	t.Helper()
	c, err := client.New(client.Config{URL: s.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	send := func(aggregate, id, command string, data map[string]any) {
		t.Helper()
		n++
		sent := client.Command{Aggregate: aggregate, ID: id, Type: command, Data: data, CommandID: "story-" + string(rune('a'+n-1))}
		if _, err := c.Send(t.Context(), sent); err != nil {
			var refused *client.Problem
			if !errors.As(err, &refused) {
				t.Fatal(err)
			}
		}
	}
	money := func(amount int64) map[string]any {
		return map[string]any{"amount": amount, "currency": "EUR", "reference": "r", "booked_on": "2026-01-31"}
	}
	open := func(id, holder string) {
		send("account", id, "open", map[string]any{"holder": holder, "currency": "EUR", "overdraft_limit": 0})
	}
	open("ann", "Ann")
	open("bob", "Bob Ünal")
	open("cem", "Ann")
	open("dan", "Dan")
	send("account", "ann", "deposit", money(1000))
	send("account", "ann", "withdraw", money(100))
	send("account", "ann", "withdraw", money(100000)) // refused
	send("account", "dan", "close", map[string]any{"reason": "moved away"})
	send("account", "cem", "freeze", map[string]any{"reason": "check"})
	transfer := func(id, from, to string, amount int64) {
		send("transfer", id, "request", map[string]any{"from": from, "to": to, "amount": amount, "currency": "EUR"})
		for {
			row, err := c.ViewRow(t.Context(), "transfers", id, nil)
			var status struct {
				Status string `json:"status"`
			}
			if err == nil && json.Unmarshal(row.Data, &status) == nil && slices.Contains([]string{"completed", "refused", "returned"}, status.Status) {
				return
			}
			select {
			case <-t.Context().Done():
				t.Fatal(t.Context().Err())
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	transfer("t-done", "ann", "bob", 300)
	transfer("t-poor", "bob", "ann", 5000)
	transfer("t-back", "ann", "dan", 50)
	transfer("t-nobody", "nobody", "ann", 5)
	send("account", "cem", "unfreeze", map[string]any{"reason": "fine"})
}

func recordGoldenLog(t *testing.T) {
	s := clitest.Start(t, bankv1.App(), t.TempDir(), "--partitions", "2", "--log-level", "warn")
	story(t, s)
	producer, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	plain := &kgo.Record{Topic: "account.commands", Key: []byte("eve"), Value: []byte(
		`{"command_id": "json-1", "type": "open", "data": {"holder": "Eve", "currency": "EUR"}}`)}
	if err := producer.ProduceSync(t.Context(), plain).FirstErr(); err != nil {
		t.Fatal(err)
	}
	wait(t, "the command from Kafka has an outcome", func() bool { return s.Run("state", "account", "eve").Code == 0 })
	// Rows follow events: let every view come to rest before it is written down.
	wait(t, "views are level", func() bool { return level(t, s) })

	registry, err := sr.NewClient(sr.URLs(s.Registry))
	if err != nil {
		t.Fatal(err)
	}
	admin := kadm.NewClient(producer)
	settings := topology.Settings{Partitions: 2, ReplicationFactor: 1}
	var topics []string
	for _, topic := range bankv1.Topology().Topics(settings) {
		topics = append(topics, topic.Name)
	}
	slices.Sort(topics)
	ends, err := admin.ListCommittedOffsets(t.Context(), topics...)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(goldenLog), 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(goldenLog)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	out := json.NewEncoder(file)
	for _, topic := range topics {
		for _, r := range readTopic(t, s.Brokers, topic, ends[topic]) {
			l := logged{Topic: topic, Key: string(r.Key), Value: r.Value, Time: r.Timestamp.UTC(), Headers: map[string][]byte{}}
			for _, h := range r.Headers {
				l.Headers[h.Key] = h.Value
			}
			if len(r.Value) > 5 && r.Value[0] == 0 {
				uses, err := registry.SchemaUsagesByID(t.Context(), int(binary.BigEndian.Uint32(r.Value[1:5])))
				if err != nil || len(uses) == 0 {
					t.Fatalf("%s: %v", topic, err)
				}
				base := strings.TrimSuffix(uses[0].Subject, "-value")
				l.Schema, l.Value = strings.Join([]string{base, "1"}, "/"), r.Value[5:]
			}
			if err := out.Encode(l); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// level reports whether the views show every event of every account.
func level(t *testing.T, s *clitest.System) bool {
	t.Helper()
	c, err := client.New(client.Config{URL: s.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for row, err := range c.ViewRows(t.Context(), "balances", client.Query{}) {
		if err != nil {
			return false
		}
		var shown struct {
			Holder, Status string
			Version        int64
		}
		if err := json.Unmarshal(row.Data, &shown); err != nil {
			t.Fatal(err)
		}
		rows++
		state, err := c.State(t.Context(), "account", row.Key, nil)
		if err != nil || state.Version != shown.Version {
			return false
		}
		if shown.Holder == "" {
			continue // never opened
		}
		list, err := c.ViewRow(t.Context(), "accounts-by-holder", shown.Holder, nil)
		if err != nil || !strings.Contains(string(list.Data), fmt.Sprintf(`"account_id":%q,"currency":"EUR","status":%q`, row.Key, shown.Status)) {
			return false
		}
	}
	return rows == 6
}

// readTopic returns the committed records up to the ends.
func readTopic(t *testing.T, brokers []string, topic string, ends map[int32]kadm.ListedOffset) (records []*kgo.Record) {
	t.Helper()
	from := map[int32]kgo.Offset{}
	left := map[int32]int64{}
	for p, end := range ends {
		if end.Offset > 0 {
			from[p], left[p] = kgo.NewOffset().At(0), end.Offset
		}
	}
	if len(left) == 0 {
		return nil
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := errors.Join(fetches.Err(), ctx.Err()); err != nil {
			t.Fatalf("read %s: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	slices.SortStableFunc(records, func(a, b *kgo.Record) int {
		if a.Partition != b.Partition {
			return int(a.Partition - b.Partition)
		}
		return int(a.Offset - b.Offset)
	})
	return records
}

// wait waits until a condition holds.
func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
