package processors_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/kafkatest"
	"github.com/foldlog/foldlog/topology"
)

// Records in the events topic that no processor can have written are set aside by every group that
// reads it, and the events behind them are handled.
func TestForeignEventsStopNobody(t *testing.T) {
	s := startSystem(t, boxTopology(), boxSchemas())
	s.run("one")
	s.produce(s.command("box", "b", "first", "fill", `{"with": "x"}`))
	s.outcome("box", "b", "first")
	_, records := s.events("box")
	home := topology.PartitionOf([]byte("b"), s.settings.Partitions)
	foreign := func(key []byte, value []byte, partition int32) *kgo.Record {
		return &kgo.Record{Topic: s.names.Events("box"), Key: key, Value: value, Headers: []kgo.RecordHeader{{Key: "test-partition", Value: []byte{byte(partition)}}}}
	}
	s.produce(
		foreign(nil, records[0].Value, home),
		foreign([]byte("b"), records[0].Value, (home+1)%int32(s.settings.Partitions)),
		foreign([]byte("b"), nil, home),
		foreign([]byte("b"), []byte("no event"), home),
	)
	s.produce(s.command("box", "b", "second", "fill", `{"with": "y"}`))
	for _, group := range []string{"echo", "contents.rekey"} {
		s.eventually("dead letters of "+group, func() error {
			if n := len(s.deadLetters(group)); n != 4 {
				return fmt.Errorf("%d, want 4", n)
			}
			return nil
		})
	}
	s.eventually("the event behind them is projected", func() error {
		if s.rows("contents")["y"] == nil {
			return fmt.Errorf("rows %v", s.rows("contents"))
		}
		return nil
	})
}

// A batch that would fill a process's memory is set aside with its place, once. What stands behind
// it in the same partition is handled, and a restart goes on behind it.
func TestUnreadableBatchesStopNobody(t *testing.T) {
	s := startBank(t)
	stop := s.run("one")
	home := topology.PartitionOf([]byte("a"), s.settings.Partitions)
	open := func(id string) *kgo.Record {
		return s.command("account", "a", id, "open", `{"holder_id": "ann", "holder_name": "Ann", "currency": "EUR"}`)
	}
	swollen := func(topic string) {
		kafkatest.ProduceSwollen(t, s.cluster.Brokers, topic, home, []byte("a"), cluster.MaxDecompressed+1)
	}
	s.produce(open("first"))
	s.outcome("account", "a", "first")
	swollen(s.names.Commands("account"))
	swollen(s.names.Commands("account"))
	swollen(s.names.Events("account")) // somebody else's
	s.produce(open("second"))
	if o := s.outcome("account", "a", "second"); o.Accepted {
		t.Errorf("the account is opened twice: %+v", o)
	}
	setAside := func(group, topic string, want int) {
		t.Helper()
		s.eventually("dead letters of "+group, func() error {
			letters := s.deadLetters(group)
			for _, r := range letters {
				if cause := string(r.Header(codecs.HeaderDeadLetterCause)); !strings.Contains(cause, "cannot be decompressed") ||
					string(r.Header(codecs.HeaderDeadLetterTopic)) != topic || string(r.Header(codecs.HeaderDeadLetterPartition)) != fmt.Sprint(home) {
					t.Fatalf("a dead letter of %s: %v", group, r.Headers)
				}
			}
			if len(letters) != want {
				return fmt.Errorf("%d, want %d", len(letters), want)
			}
			return nil
		})
	}
	check := func() {
		t.Helper()
		setAside("account", s.names.Commands("account"), 2)
		setAside("balances", s.names.Events("account"), 1)
	}
	check()
	stop()
	wrongHome := &kgo.Record{Topic: s.names.Table("account"), Key: []byte("a"), Value: []byte("x"),
		Headers: []kgo.RecordHeader{{Key: "test-partition", Value: []byte{byte((home + 1) % 4)}}}}
	s.produce(wrongHome, &kgo.Record{Topic: s.names.Table("account"), Key: []byte{}, Value: []byte("x")},
		&kgo.Record{Topic: s.names.Outcomes("account"), Value: []byte("x")}, &kgo.Record{Topic: s.names.Outcomes("account"), Key: []byte("a"), Value: []byte("x")})
	swollen(s.names.Table("account"))
	swollen(s.names.Outcomes("account"))
	s.run("two") // with an empty directory: it restores from the topics, and begins at the offsets
	s.produce(s.command("account", "a", "third", "deposit", `{"amount": 5, "currency": "EUR"}`))
	if o := s.outcome("account", "a", "third"); !o.Accepted {
		t.Errorf("after the restart: %+v", o)
	}
	check()
}
