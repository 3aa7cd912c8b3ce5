package bank_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/scenario"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

var update = flag.Bool("update", false, "write what the code gives into testdata")

// golden compares got with a file of testdata. Names of topics, groups and commands are contracts:
// a difference here is one that other people's programs see.
func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run 'go test ./bank -update' and look at what changes", err)
	}
	if got != string(want) {
		t.Errorf("%s has changed. If that is meant, run 'go test ./bank -update' and look at what changes. It is now\n%s", path, got)
	}
}

func TestTopologyGolden(t *testing.T) {
	golden(t, "topology.txt", bank.Topology().Describe(topology.Settings{}))
	golden(t, "topology.mmd", bank.Topology().Mermaid(topology.Settings{}))
	doc, err := bank.Topology().JSON(topology.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "topology.json", string(doc)+"\n")
}

// TestNothingIsMissing names each case and each record that a new command, event or projection
// needs.
func TestNothingIsMissing(t *testing.T) {
	scenario.Complete(t, bank.Topology(), bankschemas.Files)
}

// TestInternalCommands keeps the commands that only policies send away from HTTP.
func TestInternalCommands(t *testing.T) {
	public := []string{
		"open", "deposit", "withdraw", "freeze", "unfreeze", "close",
		"request",
	}
	var have []string
	for _, a := range bank.Topology().Aggregates {
		for _, c := range a.Commands {
			if !c.Private {
				have = append(have, c.Name)
			}
		}
	}
	slices.Sort(public)
	slices.Sort(have)
	if !slices.Equal(have, public) {
		t.Errorf("HTTP may send\n%q, want\n%q", have, public)
	}
}
