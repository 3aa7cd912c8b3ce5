package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/bankapp"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
	"github.com/foldlog/foldlog/topology"
)

// The bank has the golden files of its topology; the command prints exactly them.
func TestTopologyGolden(t *testing.T) {
	for format, file := range map[string]string{"text": "topology.txt", "mermaid": "topology.mmd", "json": "topology.json"} {
		got := run(t, "topology", "--format", format)
		if got.Code != cli.ExitOK || got.Err != "" {
			t.Fatalf("%s: exit %d, %s", format, got.Code, got.Err)
		}
		want, err := os.ReadFile(filepath.Join(sourceDir, "..", "bank", "testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		if got.Out != string(want) {
			t.Errorf("%s is not what the command prints:\n%s", file, got.Out)
		}
	}
	if a, b := run(t, "topology", "--json"), run(t, "topology", "--format", "json"); a != b {
		t.Error("--json is not --format json")
	}
	prefixed := run(t, "topology", "--topic-prefix", "test.", "--partitions", "3", "--replication-factor", "1")
	if !strings.Contains(prefixed.Out, "each with 3 partitions, replication factor 1") || !strings.Contains(prefixed.Out, "  test.account.events\n") {
		t.Errorf("settings are ignored:\n%s", prefixed.Out)
	}
}

func TestLint(t *testing.T) {
	if got := run(t, "lint"); got != (clitest.Result{Out: "no findings\n"}) {
		t.Errorf("the bank: %+v", got)
	}
	broken := bankapp.App()
	broken.Topology = topology.New("Bank", append([]topology.Part{
		topology.Policy("lost", "nobody", foldlog.Policy[any]{}),
	}, topology.Part(broken.Topology.Aggregates[0]))...)
	got := clitest.Run(t, broken, "lint")
	if got.Code != cli.ExitFinding {
		t.Errorf("exit %d, want %d", got.Code, cli.ExitFinding)
	}
	golden(t, "lint.txt", got.Out+"--\n"+got.Err)

	asJSON := clitest.Run(t, broken, "lint", "--json")
	var findings []topology.Finding
	if err := json.Unmarshal([]byte(asJSON.Out), &findings); err != nil {
		t.Fatalf("%s in %s", err, asJSON.Out)
	}
	if lines := strings.Count(got.Out, "\n"); len(findings) != lines || asJSON.Code != cli.ExitFinding {
		t.Errorf("%d findings in JSON, %d as text; exit %d", len(findings), lines, asJSON.Code)
	}
}

// A Go type that differs from its schema is found before anything is started.
func TestLintComparesGoTypesWithSchemas(t *testing.T) {
	app := bankapp.App()
	deposit := struct {
		Amount string `json:"amount"`
		Colour string `json:"colour"`
	}{}
	app.Topology.Aggregate("account").Commands[1].Type = reflect.TypeOf(deposit)
	got := clitest.Run(t, app, "lint")
	if got.Code != cli.ExitFinding {
		t.Fatalf("%+v", got)
	}
	for _, want := range []string{"amount", "colour", "[go-type]"} {
		if !strings.Contains(got.Out, want) {
			t.Errorf("%q is not in %s", want, got.Out)
		}
	}
}

func TestVersion(t *testing.T) {
	want := "foldlog v0.0.0-test (" + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")\n"
	if got := run(t, "version"); got != (clitest.Result{Out: want}) {
		t.Errorf("%+v", got)
	}
	var doc map[string]string
	if err := json.Unmarshal([]byte(run(t, "version", "--json").Out), &doc); err != nil || doc["version"] != "v0.0.0-test" {
		t.Errorf("%v, %v", doc, err)
	}
	app := bankapp.App()
	if got := clitest.Run(t, app, "version"); !strings.HasPrefix(got.Out, "foldlog ") || strings.HasPrefix(got.Out, "foldlog  ") {
		t.Errorf("without a version of its own: %q", got.Out)
	}
}
