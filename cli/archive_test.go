package cli_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
	"github.com/foldlog/foldlog/devcluster"
)

// The page on archives is what an operator types, in this order: the system that is exported, an empty cluster, and the system that is started on it.
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
	system := func(steps []pageStep, s *clitest.System) {
		t.Helper()
		for _, step := range steps {
			if step.args[0] == "export" {
				do(step, "--brokers", s.Brokers[0], "--registry", s.Registry)
			} else {
				do(step, "--url", s.HTTP)
			}
		}
		stop(t, s)
	}
	system(steps[:restored], clitest.Start(t, app, "old"))

	dev, err := devcluster.Start(t.Context(), devcluster.Config{Dir: "new/cluster", KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	where := []string{"--brokers", dev.Brokers()[0], "--registry", dev.RegistryURL()}
	for args, c := range map[string]struct {
		code int
		want string
	}{
		"import":                            {cli.ExitUsage, "accepts 1 arg"},
		"import nowhere --partitions 4":     {cli.ExitFinding, "manifest.json"},
		"import backup --partitions 12":     {cli.ExitFinding, "set --partitions 4"},
		"export":                            {cli.ExitUsage, "--out DIR"},
		"export --out backup":               {cli.ExitFinding, "does not exist"},
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
	if err := dev.Close(); err != nil {
		t.Fatal(err)
	}
	system(steps[started:], clitest.Start(t, app, "new"))
}
