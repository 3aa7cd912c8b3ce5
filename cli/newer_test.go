package cli_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/foldlog/foldlog/cli"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
)

// A release that would not understand what a newer one may have written does not start: it would
// set events aside that nobody handles then.
func TestRunRefusesAnUnreadableSchema(t *testing.T) {
	t.Chdir(t.TempDir())
	c := kafka(t, "cluster", "", "")
	small := []string{"--brokers", c.Brokers()[0], "--registry", c.RegistryURL()}
	if got := run(t, "topics", "create", "--brokers", c.Brokers()[0], "--partitions", "2", "--replication-factor", "1"); got.Code != cli.ExitOK {
		t.Fatalf("topics: %+v", got)
	}
	if got := run(t, "schemas", "publish", "--registry", c.RegistryURL()); got.Code != cli.ExitOK {
		t.Fatalf("publish: %+v", got)
	}
	text, err := fs.ReadFile(bankschemas.Files, "account.events/v2.avsc")
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(string(text), `"type": [
        {`, `"type": [
        {"type": "record", "name": "AccountMoved", "fields": []},
        {`, 1)
	registry, err := sr.NewClient(sr.URLs(c.RegistryURL()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := registry.CreateSchema(t.Context(), "account.events-value", sr.Schema{Schema: newer}); err != nil {
		t.Fatal(err)
	}
	p := startRun(t, append([]string{"--data-dir", "data"}, small...)...)
	want := []string{"subject account.events-value has version 3 (schema id ", "holds record foldlog.bank.account.AccountMoved, which is unknown here",
		"upgrade this program to a release that can read it, and only then start it"}
	if code := p.wait(); code != cli.ExitFinding || !contains(p.log.String(), want...) {
		t.Errorf("exit %d\n%s", code, p.log)
	}
}
