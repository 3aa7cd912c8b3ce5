package cli_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
)

// The page on archives is what an operator types, in this order: the system that is exported, an
// empty cluster, and the system that is started on it.
func TestArchivePage(t *testing.T) {
	page, err := filepath.Abs("../docs/archive.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	app := testApp()
	steps := pageSteps(t, page)
	restored := slices.IndexFunc(steps, func(s pageStep) bool { return s.args[0] == "import" })
	started := 1 + slices.IndexFunc(steps, func(s pageStep) bool { return s.args[0] == "verify" })
	if restored < 5 || started <= restored || len(steps) < started+3 {
		t.Fatalf("%d commands found in %s, the import as %d, verify as %d", len(steps), page, restored, started)
	}
	do := func(step pageStep, where ...string) {
		t.Helper()
		args := append(slices.Clone(step.args), where...)
		if args[0] != "send" && args[0] != "state" {
			args = append(args, "--partitions", "4", "--replication-factor", "1")
		}
		wrong := ""
		did := func() bool {
			wrong = step.check(clitest.Run(t, app, args...), cli.ExitOK)
			return wrong == ""
		}
		if args[0] == "state" {
			eventually(t, step.line, did) // policies follow
		} else if !did() {
			t.Fatal(wrong)
		}
	}
	s := clitest.Start(t, app, "old")
	for _, step := range steps[:restored] {
		if step.args[0] == "export" {
			do(step, "--brokers", s.Brokers[0], "--registry", s.Registry)
		} else {
			do(step, "--url", s.HTTP)
		}
	}
	stop(t, s)

	dev := kafka(t, "new", "", "")
	where := []string{"--brokers", dev.Brokers()[0], "--registry", dev.RegistryURL()}
	for args, c := range map[string]struct {
		code int
		want string
	}{
		"import":                            {cli.ExitUsage, "accepts 1 arg"},
		"import nowhere --partitions 4":     {cli.ExitFinding, "manifest.json"},
		"import backup --partitions 12":     {cli.ExitFinding, "set --partitions 4"},
		"export":                            {cli.ExitUsage, "--out DIR"},
		"export --out elsewhere":            {cli.ExitFinding, "does not exist"},
		"export --out old --partitions 4":   {cli.ExitFinding, "neither empty nor an archive"},
		"verify --outcome-retention 24h":    {cli.ExitUsage, "use at least the horizon"},
		"export --out backup/manifest.json": {cli.ExitInfrastructure, "manifest.json"},
	} {
		if got := clitest.Run(t, app, append(strings.Fields(args), where...)...); got.Code != c.code || !strings.Contains(got.Err, c.want) {
			t.Errorf("%s: %+v, want exit code %d and %q", args, got, c.code, c.want)
		}
	}
	for _, step := range steps[restored:started] {
		do(step, where...)
	}
	p := startRun(t, append(where, "--partitions", "4", "--data-dir", "data")...)
	eventually(t, "the restored system is ready", p.isReady)
	for _, step := range steps[started:] {
		do(step, "--url", "http://"+p.http)
	}
	if code := p.stop(); code != cli.ExitOK {
		t.Errorf("exit code %d\n%s", code, p.log)
	}
}
