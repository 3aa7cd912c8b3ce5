package cli_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
)

func TestDeadLetters(t *testing.T) {
	t.Chdir(t.TempDir())
	s := clitest.Start(t, testApp(), "data")
	if got := s.Kafka("dead-letters", "list"); got != (clitest.Result{Out: "no dead letters\n"}) {
		t.Errorf("none yet: %+v", got)
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for _, value := range [][]byte{[]byte("not a command"), {'x', 1, 0xff}, nil} {
		record := &kgo.Record{Topic: "account.commands", Key: []byte("alice"), Value: value}
		record.Headers = []kgo.RecordHeader{{Key: "from", Value: []byte("the test")}}
		if err := producer.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	type letter struct {
		Topic     string
		Partition int
		Offset    int
		Cause     string
		Size      int
		Source    struct{ Topic, Partition, Offset string }
		Key       struct{ Text string }
		Headers   []struct{ Name string }
		Value     *struct{ Text, Hex string }
	}
	var letters []letter
	eventually(t, "three dead letters", func() bool {
		letters = decode[[]letter](t, s.Kafka("dead-letters", "list", "--group", "account", "--json").Out)
		return len(letters) == 3
	})
	ready, err := http.Get(s.HTTP + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Body.Close() // only the status is of interest
	if ready.StatusCode != http.StatusOK {
		t.Errorf("bad input makes the system unready: %s", ready.Status)
	}
	if got := s.Run("send", "account", "alice", "open", `{"holder": "Alice", "currency": "EUR"}`); got.Code != cli.ExitOK {
		t.Errorf("a command behind bad input: %+v", got)
	}
	for _, l := range letters {
		if l.Topic != "account.dead-letters" || l.Cause == "" || l.Source.Topic != "account.commands" || l.Key.Text != "alice" || l.Value != nil {
			t.Errorf("%+v", l)
		}
	}
	if got := decode[[]letter](t, s.Kafka("dead-letters", "list", "--limit", "2", "--json").Out); len(got) != 2 || got[0].Source != letters[0].Source {
		t.Errorf("the newest two: %+v, want those of %+v", got, letters)
	}
	table := s.Kafka("dead-letters", "list")
	if lines := strings.Split(strings.TrimSpace(table.Out), "\n"); len(lines) != 4 || !contains(lines[0], "WRITTEN") || !contains(lines[1], "account.commands/") {
		t.Errorf("table: %s", table.Out)
	}
	values := map[string]bool{}
	for _, l := range letters {
		partition, offset := strconv.Itoa(l.Partition), strconv.Itoa(l.Offset)
		byTopic := s.Kafka("dead-letters", "show", "--json", l.Topic+"/"+partition+"/"+offset)
		byGroup := s.Kafka("dead-letters", "show", "--json", "account", partition, offset)
		if byTopic != byGroup || byTopic.Code != cli.ExitOK {
			t.Errorf("%+v\n%+v", byTopic, byGroup)
		}
		shown := decode[letter](t, byTopic.Out)
		names := []string{}
		for _, h := range shown.Headers {
			names = append(names, h.Name)
		}
		if !strings.Contains(strings.Join(names, " "), "from") {
			t.Errorf("the source's own header is missing: %v", names)
		}
		switch {
		case shown.Value == nil:
			values["nil"] = true
		default:
			values[shown.Value.Text+shown.Value.Hex] = true
		}
		if text := s.Kafka("dead-letters", "show", "account", partition, offset); !strings.Contains(text.Out, "header       from: the test\n") {
			t.Errorf("show: %s", text.Out)
		}
	}
	for _, want := range []string{"not a command", "7801ff", "nil"} {
		if !values[want] {
			t.Errorf("value %s is not shown; have %v", want, values)
		}
	}
	if got := s.Kafka("dead-letters", "show", "account", "0", "4711"); got.Code != cli.ExitFinding {
		t.Errorf("one that does not exist: %+v", got)
	}
	stop(t, s)
}

// Offsets between the newest dead letters and the end of a partition may hold no dead letter: the
// ends of transactions, and what an aborted transaction wrote.
func TestDeadLettersBetweenTransactions(t *testing.T) {
	t.Chdir(t.TempDir())
	s := clitest.Start(t, testApp(), "data")
	producer, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers...), kgo.TransactionalID("test"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for n := range 12 {
		end := kgo.TryCommit
		if n >= 6 { // the last ones never happened
			end = kgo.TryAbort
		}
		record := &kgo.Record{Topic: "account.dead-letters", Partition: 1, Key: []byte("letter-" + strconv.Itoa(n)), Value: []byte("x")}
		err := errors.Join(producer.BeginTransaction(), producer.ProduceSync(t.Context(), record).FirstErr(), producer.EndTransaction(t.Context(), end))
		if err != nil {
			t.Fatal(err)
		}
	}
	for limit, want := range map[string]string{
		"1": "letter-5", "4": "letter-5 letter-4 letter-3 letter-2", "50": "letter-5 letter-4 letter-3 letter-2 letter-1 letter-0",
	} {
		got := s.Kafka("dead-letters", "list", "--json", "--limit", limit)
		var keys []string
		for _, l := range decode[[]struct {
			Key struct{ Text string } `json:"key"`
		}](t, got.Out) {
			keys = append(keys, l.Key.Text)
		}
		if strings.Join(keys, " ") != want {
			t.Errorf("--limit %s: %v, want %s\n%s", limit, keys, want, got.Err)
		}
	}
	stop(t, s)
}
