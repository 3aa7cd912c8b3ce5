package cli_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/foldlog/foldlog/cli"
)

func TestCompletion(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		line      []string
		want, not string
	}{
		{[]string{"send", ""}, "account", "balances"},
		{[]string{"send", "account", "alice", ""}, "deposit", "debit"}, // debit is for policies
		{[]string{"state", ""}, "transfer", "deposit"},
		{[]string{"events", ""}, "transfer", "deposit"},
		{[]string{"topics", ""}, "verify", ""},
		{[]string{"topology", "--format", ""}, "mermaid", ""},
		{[]string{"dead-letters", "list", "--group", ""}, "daily-turnover.rekey", ""},
		{[]string{"bank", ""}, "import", ""},
	} {
		got := run(t, append([]string{"__complete"}, c.line...)...)
		var words []string
		for line := range strings.Lines(got.Out) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			words = append(words, word)
		}
		if got.Code != cli.ExitOK || !slices.Contains(words, c.want) || c.not != "" && slices.Contains(words, c.not) {
			t.Errorf("%v: %v, want %s and not %s", c.line, words, c.want, c.not)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := run(t, "completion", shell); got.Code != cli.ExitOK || !strings.Contains(got.Out, "foldlog") {
			t.Errorf("%s: exit %d", shell, got.Code)
		}
	}
}
