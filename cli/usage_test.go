package cli_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
)

func TestUsageErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"topolgy"}, `foldlog has no command "topolgy"; did you mean "topology"?`},
		{[]string{"topics", "creat"}, `foldlog topics has no command "creat"; did you mean "create"?`},
		{[]string{"topology", "--formt", "json"}, "unknown flag: --formt"},
		{[]string{"topology", "--format", "xml"}, `--format "xml": use text, mermaid or json`},
		{[]string{"topology", "more"}, `unknown command "more"`},
		{[]string{"topology", "--partitions", "x"}, `invalid argument "x" for "--partitions"`},
		{[]string{"topology", "--partitions", "5000"}, "partitions 5000: use 1 to 1024"},
		{[]string{"topics", "verify", "--brokers", "localhost"}, `--brokers "localhost": use host:port`},
		{[]string{"topics", "verify", "--brokers", ""}, "no brokers: give --brokers"},
		{[]string{"dead-letters", "list", "--group", "acount"}, `no consumer group "acount"; did you mean "account"?`},
		{[]string{"dead-letters", "list", "--limit", "0"}, "--limit 0: use at least 1"},
		{[]string{"dead-letters", "show", "account", "0"}, "give a dead letter as TOPIC/PARTITION/OFFSET or as GROUP PARTITION OFFSET"},
		{[]string{"dead-letters", "show", "account.dead-letters/0"}, "is not TOPIC/PARTITION/OFFSET"},
		{[]string{"dead-letters", "show", "account.events/0/1"}, `"account.events" is not a dead letter topic`},
		{[]string{"dead-letters", "show", "account", "-1", "0"}, "unknown shorthand flag"},
		{[]string{"events", "account"}, "give the aggregate and its id"},
		{[]string{"events", "acount", "a"}, `no aggregate "acount"; did you mean "account"?`},
		{[]string{"events", "account", "a", "--limit", "0"}, "--limit 0: use at least 1"},
		{[]string{"events", "account", "a", "--after", "-1"}, "--after -1: use 0 or more"},
		{[]string{"state", "account", "a/b"}, "aggregate_id"},
		{[]string{"state", "account", "a", "--version", "0"}, "--version 0: versions count from 1"},
		{[]string{"state", "account", "a", "--at", "noon"}, `--at "noon": use a time such as`},
		{[]string{"state", "account", "a", "--at", "2026-01-01T00:00:00Z", "--version", "1"}, "give --version or --at, not both"},
		{[]string{"diff", "account", "a"}, "give --from: a version or a time"},
		{[]string{"diff", "account", "a", "--from", "-1"}, `--from "-1": use a version such as 3 or a time such as`},
		{[]string{"diff", "account", "a", "--from", "1", "--to", "0"}, `--to "0": use a version such as 3 or a time such as`},
		{[]string{"trace"}, "give the id of a command, an event or a conversation"},
		{[]string{"trace", "a b"}, "command_id"},
		{[]string{"dead-letters", "show", "account", "x", "0"}, `partition "x" is not a number`},
	} {
		got := run(t, c.args...)
		if got.Code != cli.ExitUsage || got.Out != "" || !strings.Contains(got.Err, c.want) {
			t.Errorf("%v:\nexit %d, output %q, error %q\nwant exit %d, %q", c.args, got.Code, got.Out, got.Err, cli.ExitUsage, c.want)
		}
		if !strings.Contains(got.Err, "--help' for how to use it.") {
			t.Errorf("%v: the error does not say where help is: %q", c.args, got.Err)
		}
	}
}

func TestExitCodesOfCommands(t *testing.T) {
	t.Chdir(t.TempDir())
	app := testApp()
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{nil, cli.ExitOK, ""},
		{cli.Finding("%d wrong", 3), cli.ExitFinding, "foldlog: 3 wrong\n"},
		{cli.Usage("say %q", "x"), cli.ExitUsage, "foldlog: say \"x\"\nRun 'foldlog try --help' for how to use it.\n"},
		{cli.Infrastructure("disk full"), cli.ExitInfrastructure, "foldlog: disk full\n"},
		{errors.New("something else"), cli.ExitInfrastructure, "foldlog: something else\n"},
	} {
		app.Commands = []func(*cli.Context) *cobra.Command{func(*cli.Context) *cobra.Command {
			return &cobra.Command{Use: "try", RunE: func(*cobra.Command, []string) error { return c.err }}
		}}
		if got := clitest.Run(t, app, "try"); got != (clitest.Result{Code: c.code, Err: c.text}) {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
}

// Every command explains itself, with an example, and every flag that is a setting names its
// variable.
func TestHelp(t *testing.T) {
	t.Chdir(t.TempDir())
	var all strings.Builder
	for _, path := range cli.Paths(testApp()) {
		got := run(t, append(path, "--help")...)
		if got.Code != cli.ExitOK || got.Err != "" {
			t.Errorf("%v: exit %d, %s", path, got.Code, got.Err)
		}
		all.WriteString("$ foldlog " + strings.Join(append(path, "--help"), " ") + "\n" + got.Out + "\n")
	}
	golden(t, "help.txt", all.String())
}
