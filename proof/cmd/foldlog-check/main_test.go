package main

import "testing"

func TestExitCodes(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		name string
		args []string
		want int
	}{
		{"no directory", nil, exitUsage},
		{"two directories", []string{empty, empty}, exitUsage},
		{"an unknown flag", []string{empty, "--nonsense"}, exitUsage},
		{"nothing that can be read", []string{empty, "--json"}, exitUnreadable},
	} {
		if got := run(c.args); got != c.want {
			t.Errorf("%s: exit code %d, want %d", c.name, got, c.want)
		}
	}
}
