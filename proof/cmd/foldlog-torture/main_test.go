package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func execute(args ...string) (string, int) {
	started := false
	root := command(&started)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return out.String(), 0
	}
	return out.String() + err.Error(), exitCode(err, started)
}

func TestWrongCommandLines(t *testing.T) {
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"run"}, "requires at least 1 arg"},
		{[]string{"run", "kil"}, `no scenario "kil"`},
		{[]string{"run", "kill", "--rate", "0.5"}, "--rate"},
		{[]string{"run", "kill", "--rate", "1"}, "--rate 1"},
		{[]string{"run", "kill", "--broker", "pulsar"}, "--broker pulsar"},
		{[]string{"run", "kill", "--faults", "-1"}, "--faults"},
		{[]string{"run", "kill", "--binary", "x", "--planted", "no-generation"}, "--planted-binary"},
		{[]string{"set", "endless"}, `no set "endless"`},
		{[]string{"report", "there-is-none"}, "there-is-none"},
		{[]string{"walk"}, "unknown command"},
	} {
		printed, code := execute(test.args...)
		if code != exitUsage || !strings.Contains(printed, test.says) {
			t.Errorf("%v: exit %d, %q", test.args, code, printed)
		}
	}
}

func TestListNamesScenarios(t *testing.T) {
	printed, code := execute("list")
	if code != 0 || !strings.Contains(printed, "\nzombie ") || !strings.HasPrefix(printed, "kill ") {
		t.Errorf("exit %d, %s", code, printed)
	}
}

func TestReportOfAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.jsonl")
	if err := os.WriteFile(file, []byte(`{"scenario":"kill","broker":"kafka-1","kills":3,"verdict":"passed"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	printed, code := execute("report", file)
	if code != 0 || !strings.Contains(printed, "| kill (kafka-1) | 1 | 1 | 3 |") {
		t.Errorf("exit %d, %s", code, printed)
	}
	if err := os.WriteFile(file, []byte("{\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if printed, code := execute("report", file); code != exitInfrastructure || !strings.Contains(printed, "line 1") {
		t.Errorf("a broken file: exit %d, %s", code, printed)
	}
}

func TestExitCodes(t *testing.T) {
	if code := exitCode(finding{errors.New("x")}, true); code != exitFinding {
		t.Error(code)
	}
	if code := exitCode(errors.New("no broker"), true); code != exitInfrastructure {
		t.Error(code)
	}
}

func TestFlagsAreValidByDefault(t *testing.T) {
	f, cmd := &flags{}, &cobra.Command{}
	f.add(cmd)
	if _, err := f.options(cmd); err != nil {
		t.Error(err)
	}
}
