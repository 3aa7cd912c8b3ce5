package cli_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/foldlog/foldlog/bank/bankapp"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
)

func TestSchemasCheckWithoutARegistry(t *testing.T) {
	if got := run(t, "schemas", "check"); got != (clitest.Result{Out: "no findings\n"}) {
		t.Errorf("the bank: %+v", got)
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "schemas"), bankschemas.Files); err != nil {
		t.Fatal(err)
	}
	app := bankapp.App()
	app.Schemas = os.DirFS(filepath.Join(dir, "schemas"))
	next := filepath.Join(dir, "schemas", "transfers-table", "v2.avsc")
	write := func(change func(string) string) {
		t.Helper()
		text, err := fs.ReadFile(bankschemas.Files, "transfers-table/v1.avsc")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(next, []byte(change(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(func(s string) string {
		return strings.Replace(s, `"name": "reason", "type": "string"`, `"name": "reason", "type": "long"`, 1)
	})
	got := clitest.Run(t, app, "schemas", "check", "--json")
	findings := decode[[]schemas.Finding](t, got.Out)
	if got.Code != cli.ExitFinding || len(findings) == 0 || findings[0].Level != schemas.Refused || !strings.Contains(findings[0].Problem, "v2 cannot read") {
		t.Errorf("an incompatible version: %+v", got)
	}
	write(func(s string) string { return s })
	got = clitest.Run(t, app, "schemas", "check")
	if got.Code != cli.ExitFinding || !contains(got.Out, "transfers-table/v2.avsc: doubtful: is not in schemas.lock", "transfers-table v1 -> v2: doubtful: is the version before once more") {
		t.Errorf("the same version again: %+v", got)
	}
	if got := clitest.Run(t, app, "schemas", "publish", "--registry", "http://"+freeAddress(t)); got.Code != cli.ExitFinding {
		t.Errorf("it was published: %+v", got)
	}
}

func TestSchemasLock(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, bankschemas.Files); err != nil {
		t.Fatal(err)
	}
	if got := run(t, "schemas", "lock", dir); got != (clitest.Result{Out: "nothing new\n"}) {
		t.Errorf("again: %+v", got)
	}
	if err := os.Remove(filepath.Join(dir, schemas.LockFile)); err != nil {
		t.Fatal(err)
	}
	if got := run(t, "schemas", "lock", dir); got.Code != cli.ExitOK || !strings.Contains(got.Out, "locked account.events/v1.avsc\n") {
		t.Errorf("the first time: %+v", got)
	}
	if got := run(t, "schemas", "lock", t.TempDir()); got.Code != cli.ExitFinding || !strings.Contains(got.Err, "has no .avsc files") {
		t.Errorf("another directory: %+v", got)
	}
}

func TestSchemasPublish(t *testing.T) {
	c := kafka(t, t.TempDir(), "", "")
	to := []string{"--registry", c.RegistryURL(), "--topic-prefix", "p."}
	publish := func() clitest.Result { return run(t, append([]string{"schemas", "publish"}, to...)...) }
	if got := publish(); got.Code != cli.ExitOK || strings.Contains(got.Out, "was there") || !strings.Contains(got.Out, "p.account.events-value") {
		t.Fatalf("the first time: %+v", got)
	}
	if got := publish(); got.Code != cli.ExitOK || strings.Contains(got.Out, " registered") {
		t.Errorf("again: %+v", got)
	}
	if got := run(t, append([]string{"schemas", "check"}, to...)...); got != (clitest.Result{Out: "no findings\n"}) {
		t.Errorf("check after publish: %+v", got)
	}
	registry, err := sr.NewClient(sr.URLs(c.RegistryURL()))
	if err != nil {
		t.Fatal(err)
	}
	const subject = "p.transfers-table-value"
	if got := registry.Compatibility(t.Context(), subject)[0]; got.Err != nil || got.Level != sr.CompatBackwardTransitive {
		t.Errorf("compatibility: %+v", got)
	}
	// Somebody else registers a row that this program cannot read.
	if got := registry.SetCompatibility(t.Context(), sr.SetCompatibility{Level: sr.CompatNone}, subject)[0]; got.Err != nil {
		t.Fatal(got.Err)
	}
	strange := sr.Schema{Schema: `{"type": "record", "name": "Strange", "fields": []}`}
	if _, err := registry.CreateSchema(t.Context(), subject, strange); err != nil {
		t.Fatal(err)
	}
	got := run(t, append([]string{"schemas", "check"}, to...)...)
	if got.Code != cli.ExitFinding || !contains(got.Out, "subject "+subject+": doubtful: its compatibility is NONE", "subject "+subject+": refused: version") {
		t.Errorf("check: %+v", got)
	}
	if got := publish(); got.Code != cli.ExitFinding || !strings.Contains(got.Out, subject) {
		t.Errorf("publish: %+v", got)
	}
	if got := run(t, "schemas", "publish", "--registry", "http://"+freeAddress(t)); got.Code != cli.ExitInfrastructure {
		t.Errorf("no registry: %+v", got)
	}
}
