package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

// docs/read-models.md shows what follows, up to the line of dashes.

// DepositsByChannelRow is what came in through one channel, in all currencies' minor units.
type DepositsByChannelRow struct {
	Channel string `json:"channel"`
	Count   int64  `json:"count"`
	Largest int64  `json:"largest"`
}

// DepositsByChannel projects the deposits of all accounts to the channels that they came through.
func DepositsByChannel() foldlog.Projection[DepositsByChannelRow, account.Event] {
	return foldlog.Projection[DepositsByChannelRow, account.Event]{
		Key: func(event foldlog.Event[account.Event]) string {
			if deposited, ok := event.Data.(account.Deposited); ok {
				return deposited.Channel
			}
			return "" // the row does not follow from other events
		},
		Project: func(row DepositsByChannelRow, event foldlog.Event[account.Event]) DepositsByChannelRow {
			deposited := event.Data.(account.Deposited)
			return DepositsByChannelRow{Channel: deposited.Channel, Count: row.Count + 1, Largest: max(row.Largest, deposited.Amount)}
		},
	}
}

// ------

// depositsByChannelSchema is in docs/read-models.md, too.
const depositsByChannelSchema = `{
  "type": "record",
  "name": "DepositsByChannelRow",
  "namespace": "foldlog.bank",
  "doc": "What came in through one channel. Key of the record: the channel.",
  "fields": [
    {"name": "channel", "type": "string", "doc": "branch, atm, online ...; unknown for deposits from before channels were recorded."},
    {"name": "count", "type": "long", "doc": "Number of deposits."},
    {"name": "largest", "type": "long", "doc": "The largest one, in minor units of its currency."}
  ]
}
`

// withDepositsByChannel is the bank's next release.
func withDepositsByChannel(t *testing.T) cli.App {
	app := testApp()
	app.Topology.Projections = append(app.Topology.Projections,
		topology.New("new", topology.Projection("deposits-by-channel", "account", DepositsByChannel())).Projections...)
	files := fstest.MapFS{"deposits-by-channel-table/v1.avsc": {Data: []byte(depositsByChannelSchema)}}
	err := fs.WalkDir(bankschemas.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := bankschemas.Files.ReadFile(name)
		files[name] = &fstest.MapFile{Data: text}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	app.Schemas = files
	return app
}

// ends returns the ends of the topics that the system had before.
func ends(t *testing.T, s *clitest.System) map[string]int64 {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	all := map[string]int64{}
	listed, err := kadm.NewClient(client).ListEndOffsets(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	listed.Each(func(o kadm.ListedOffset) {
		if !strings.HasPrefix(o.Topic, "deposits-by-channel") && !strings.HasPrefix(o.Topic, "__") {
			all[fmt.Sprintf("%s/%d", o.Topic, o.Partition)] = o.Offset
		}
	})
	return all
}

func TestNewReadModelFromOldEvents(t *testing.T) {
	t.Chdir(t.TempDir())
	s := clitest.Start(t, testApp(), "data")
	for i := range 20 {
		id := fmt.Sprintf("acc-%d", i%7)
		if i < 7 {
			send(t, s, cli.ExitOK, "account", id, "open", `{"holder": "old form", "currency": "EUR"}`)
		}
		channel := []string{"branch", "atm"}[i%2]
		send(t, s, cli.ExitOK, "account", id, "deposit", fmt.Sprintf(`{"amount": %d, "currency": "EUR", "reference": "r", "channel": %q}`, 100+i, channel))
	}
	send(t, s, cli.ExitOK, "account", "acc-0", "deposit", `{"amount": 5, "currency": "EUR", "reference": "before channels"}`)
	send(t, s, cli.ExitOK, "transfer", "t-1", "request", `{"from": "acc-1", "to": "acc-2", "amount": 1, "currency": "EUR", "reference": "r"}`)
	eventually(t, "the transfer to complete", func() bool { return strings.Contains(s.Run("state", "transfer", "t-1").Out, "completed") })
	stop(t, s)

	s = clitest.Start(t, withDepositsByChannel(t), "data")
	before := ends(t, s)
	want := map[string]DepositsByChannelRow{"branch": {"branch", 10, 118}, "atm": {"atm", 10, 119}, "unknown": {"unknown", 1, 5}}
	for channel, row := range want {
		awaitRow(t, s, channel, row)
	}
	if after := ends(t, s); !maps.Equal(after, before) {
		t.Errorf("other topics grew while the read model was filled:\n%v\n%v", before, after)
	}
	send(t, s, cli.ExitOK, "account", "acc-0", "deposit", `{"amount": 1000, "currency": "EUR", "reference": "r", "channel": "atm"}`)
	awaitRow(t, s, "atm", DepositsByChannelRow{"atm", 11, 1000})
	verify := clitest.Run(t, withDepositsByChannel(t), "verify", "--partitions", "4", "--replication-factor", "1", "--url", s.HTTP, "--sample", "-1",
		"--brokers", strings.Join(s.Brokers, ","), "--registry", s.Registry)
	if verify.Code != cli.ExitOK {
		t.Errorf("verify: exit %d\n%s%s", verify.Code, verify.Out, verify.Err)
	}
	stop(t, s)
}

func awaitRow(t *testing.T, s *clitest.System, channel string, want DepositsByChannelRow) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s: %+v", channel, want), func() bool {
		resp, err := http.Get(s.HTTP + "/v1/views/deposits-by-channel/" + channel)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var view struct{ Row DepositsByChannelRow }
		return json.NewDecoder(resp.Body).Decode(&view) == nil && view.Row == want
	})
}

// The page shows the code and the schema that the test above runs.
func TestReadModelPageShowsWhatRuns(t *testing.T) {
	source, err := os.ReadFile("readmodel_test.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/read-models.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(source), "up to the line of dashes.\n\n")
	code, _, found := strings.Cut(code, "\n// ------\n")
	if !found || !strings.Contains(string(page), "```go\n"+code+"```\n") {
		t.Error("docs/read-models.md shows other code than the test runs")
	}
	if !strings.Contains(string(page), "```json\n"+depositsByChannelSchema+"```\n") {
		t.Error("docs/read-models.md shows another schema than the test uses")
	}
}
