package cli_test

import (
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
)

// An input is set aside by hand, with its reason, of a system on the same broker whose processes do
// not run; not of one whose processes do.
func TestSkip(t *testing.T) {
	t.Chdir(t.TempDir())
	s := clitest.Start(t, testApp(), "data")
	other := func(args ...string) clitest.Result {
		return s.Kafka(append(args, "--topic-prefix", "other.")...)
	}
	declared := []string{"--partitions", "4", "--replication-factor", "1"}
	if got := other(append([]string{"topics", "create"}, declared...)...); got.Code != cli.ExitOK {
		t.Fatalf("topics of the other system: %+v", got)
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	record := &kgo.Record{Topic: "other.account.commands", Key: []byte("alice"), Value: []byte(`{"command_id": "c", "type": "open"}`)}
	if err := producer.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	partition := strconv.Itoa(int(record.Partition))
	skipAt := func(partition, offset string, more ...string) clitest.Result {
		args := append([]string{"dead-letters", "skip", "account", partition, offset, "--reason", "it never ends", "--registry", s.Registry}, declared...)
		return other(append(args, more...)...)
	}
	skip := func(offset string, more ...string) clitest.Result { return skipAt(partition, offset, more...) }
	for name, tc := range map[string]struct {
		got  clitest.Result
		code int
		says string
	}{
		"without a reason":      {other("dead-letters", "skip", "account", partition, "0"), cli.ExitUsage, "--reason"},
		"no group":              {other("dead-letters", "skip", "acount", "0", "0", "--reason", "r"), cli.ExitUsage, `did you mean "other.account"?`},
		"no partition":          {other("dead-letters", "skip", "account", "x", "0", "--reason", "r"), cli.ExitUsage, `"x" is not a partition`},
		"beyond the partitions": {skipAt("7", "0"), cli.ExitInfrastructure, "partitions 0 to 3"},
		"not the next input":    {skip("1"), cli.ExitFinding, "the group stands at offset 0"},
		"a running group": {s.Kafka(append([]string{"dead-letters", "skip", "account", partition, "0", "--reason", "r", "--patience", "300ms", "--registry", s.Registry},
			declared...)...), cli.ExitFinding,
			"the group is running"},
	} {
		if tc.got.Code != tc.code || !contains(tc.got.Err, tc.says) {
			t.Errorf("%s: %+v", name, tc.got)
		}
	}
	got := decode[struct{ Group, Reason string }](t, skip("0", "--json").Out)
	if got.Group != "other.account" || got.Reason != "it never ends" {
		t.Errorf("set aside: %+v", got)
	}
	if got := skip("0"); got.Code != cli.ExitFinding || !contains(got.Err, "has handled all of") {
		t.Errorf("a second time: %+v", got)
	}
	letters := decode[[]struct {
		Cause  string
		Source struct{ Offset string }
	}](t, other("dead-letters", "list", "--json").Out)
	if len(letters) != 1 || letters[0].Source.Offset != "0" || !contains(letters[0].Cause, "set aside by hand: it never ends (by ") {
		t.Errorf("dead letters: %+v", letters)
	}
}
