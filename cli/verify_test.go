package cli_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
	"github.com/foldlog/foldlog/devcluster"
)

type verified struct {
	Total    int
	Findings []struct {
		Check, Topic, Key, Want, Have string
		Partition                     int
		Offset                        int
	}
	Unchecked       []string
	Events, Served  int
	EventsPerSecond int `json:"events_per_second"`
}

// What runs is verified, then somebody spoils a row, and what is recovered is sound again.
func TestVerifyAndRecover(t *testing.T) {
	t.Chdir(t.TempDir())
	app := testApp()
	s := clitest.Start(t, app, "data")
	for _, id := range []string{"alice", "bob"} {
		for _, e := range app.Examples[:2] {
			send(t, s, cli.ExitOK, e.Aggregate, id, e.Command, e.Body)
		}
	}
	send(t, s, cli.ExitOK, "transfer", "t-1", "request", `{"from": "alice", "to": "bob", "amount": 5, "currency": "EUR", "reference": ""}`)
	send(t, s, cli.ExitFinding, "account", "alice", "withdraw", `{"amount": 99999999, "currency": "EUR"}`)
	eventually(t, "the transfer is booked", func() bool {
		return strings.Contains(s.Run("state", "transfer", "t-1").Out, `"completed"`)
	})
	kafka := func(args ...string) clitest.Result {
		return s.Kafka(append(args, "--registry", s.Registry, "--partitions", "4", "--replication-factor", "1")...)
	}
	sound := kafka("verify", "--json", "--url", s.HTTP, "--sample", "-1")
	got := decode[verified](t, sound.Out)
	if sound.Code != cli.ExitOK || got.Total != 0 || got.Events != 9 || got.Served == 0 || got.EventsPerSecond == 0 {
		t.Errorf("a sound system: exit %d, %+v\n%s", sound.Code, got, sound.Err)
	}
	if people := kafka("verify"); people.Code != cli.ExitOK || !contains(people.Out, "events      9\n", "findings    0\n") {
		t.Errorf("for people: %+v", people)
	}
	if early := kafka("recover"); early.Code != cli.ExitFinding || !contains(early.Err, "processors are running", "stop all processors first") {
		t.Errorf("while processors run: %+v", early)
	}

	producer, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	spoiled := &kgo.Record{Topic: "account-table", Key: []byte("alice"), Value: []byte("spoiled")}
	if err := producer.ProduceSync(t.Context(), spoiled).FirstErr(); err != nil {
		t.Fatal(err)
	}
	bad := kafka("verify", "--json")
	got = decode[verified](t, bad.Out)
	if bad.Code != cli.ExitFinding || got.Total != 1 || got.Findings[0].Check != "undecodable" || got.Findings[0].Topic != "account-table" ||
		got.Findings[0].Key != "alice" || got.Findings[0].Offset != int(spoiled.Offset) || !strings.Contains(bad.Err, "1 finding") {
		t.Errorf("a spoiled row: exit %d, %+v\n%s", bad.Code, got, bad.Err)
	}
	for _, c := range [][]string{{"verify", "--sample", "0"}, {"verify", "--limit", "0"}, {"verify", "--memory", "0"}, {"recover", "--memory", "0"}} {
		if wrong := kafka(c...); wrong.Code != cli.ExitUsage {
			t.Errorf("%v: %+v", c, wrong)
		}
	}
	if other := s.Kafka("verify", "--registry", s.Registry, "--partitions", "5"); other.Code != cli.ExitFinding || !strings.Contains(other.Err, "set --partitions 4") {
		t.Errorf("another partition count: %+v", other)
	}
	stop(t, s)

	dev, err := devcluster.Start(t.Context(), devcluster.Config{Dir: "data/cluster", KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	offline := func(command string) clitest.Result {
		return clitest.Run(t, app, command, "--brokers", dev.Brokers()[0], "--registry", dev.RegistryURL(), "--partitions", "4", "--replication-factor", "1")
	}
	recovered := offline("recover")
	if recovered.Code != cli.ExitOK || !contains(recovered.Out, "rebuilt account-table\n", "rebuilt daily-turnover.rekeyed\n", "events      9\n", "rows        8\n") {
		t.Errorf("recover: %+v", recovered)
	}
	if after := offline("verify"); after.Code != cli.ExitOK {
		t.Errorf("after it: %+v", after)
	}
	if err := dev.Close(); err != nil {
		t.Fatal(err)
	}
	s = clitest.Start(t, app, "data")
	if deposit := send(t, s, cli.ExitOK, "account", "alice", "deposit", `{"amount": 1, "currency": "EUR"}`); deposit.Version != 4 {
		t.Errorf("a deposit after it: %+v, want version 4", deposit)
	}
	stop(t, s)
}
