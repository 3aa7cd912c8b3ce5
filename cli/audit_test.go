package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
)

// pageStep is a command of a page and the lines that it must print.
type pageStep struct {
	line string
	args []string
	want []string
}

// pageSteps returns the commands of a page: indented lines that begin with "$ foldlog", with the
// indented lines below them.
func pageSteps(t *testing.T, file string) []pageStep {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var steps []pageStep
	fenced := false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if fenced { // is not for a shell
			continue
		}
		code, indented := strings.CutPrefix(strings.TrimRight(line, "\n"), "    ")
		command, is := strings.CutPrefix(code, "$ foldlog ")
		switch {
		case indented && is:
			steps = append(steps, pageStep{line: code, args: words(command)})
		case indented && len(steps) > 0:
			last := &steps[len(steps)-1]
			last.want = append(last.want, code)
		}
	}
	return steps
}

var word = regexp.MustCompile(`'[^']*'|\S+`)

// words splits a line as a shell does, as far as pages need it.
func words(line string) []string {
	all := word.FindAllString(line, -1)
	for i := range all {
		all[i] = strings.Trim(all[i], "'")
	}
	return all
}

// shows reports whether a printed line is what a page shows, where "…" stands for anything.
func shows(printed, shown string) bool {
	parts := strings.Split(shown, "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(printed)
}

// The page on audits is what an auditor types, in this order.
func TestAuditPage(t *testing.T) {
	page, err := filepath.Abs("../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	app := testApp()
	s := clitest.Start(t, app, "data")
	steps := pageSteps(t, page)
	if len(steps) < 10 {
		t.Fatalf("%d commands found in %s", len(steps), page)
	}
	var wrong string // with the last try of the last command
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(wrong)
		}
	})
	for _, step := range steps {
		args := step.args
		if args[0] == "verify" {
			for i := range args {
				if args[i] == "--url" {
					args[i+1] = s.HTTP
				}
			}
			args = append(args, "--brokers", strings.Join(s.Brokers, ","), "--registry", s.Registry)
		} else {
			args = append(args, "--url", s.HTTP)
		}
		want := cli.ExitOK
		if strings.Contains(strings.Join(step.want, ""), "422") {
			want = cli.ExitFinding
		}
		did := func() bool {
			wrong = step.check(clitest.Run(t, app, args...), want)
			return wrong == ""
		}
		switch {
		case args[0] != "send":
			// What is asked may not have come about yet: policies and views follow.
			eventually(t, step.line, did)
		case !did():
			t.FailNow()
		}
	}
}

// check returns what is wrong with a result, or "".
func (p *pageStep) check(got clitest.Result, code int) string {
	if got.Code != code {
		return fmt.Sprintf("%s\nexit code %d, want %d\n%s%s", p.line, got.Code, code, got.Out, got.Err)
	}
	lines := strings.Split(got.Out+got.Err, "\n")
	for _, shown := range p.want {
		for len(lines) > 0 && !shows(lines[0], shown) {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			return fmt.Sprintf("%s\ndoes not print, in this order, %q\n%s%s", p.line, shown, got.Out, got.Err)
		}
		lines = lines[1:]
	}
	return ""
}
