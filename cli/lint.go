package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

func (c *Context) lintCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lint",
		Short: "Check the declared system and its schema files; print every finding",
		Long: `Check the declared system, its schema files, and that Go types and schemas match, and print every finding, not only the first. Where the
first two have findings, the third is not looked at yet. No process starts on a system with findings.`,
		Example: c.examples(`
{{name}} lint
{{name}} lint --json | jq '.[].rule'
`),
		Args: cobra.NoArgs,
	}
	cmd.RunE = func(*cobra.Command, []string) error {
		findings := lint(c.App)
		if c.JSON() {
			if err := c.PrintJSON(append([]topology.Finding{}, findings...)); err != nil {
				return err
			}
		} else {
			var text strings.Builder
			for _, f := range findings {
				fmt.Fprintln(&text, f)
			}
			if len(findings) == 0 {
				text.WriteString("no findings\n")
			}
			if err := c.Printf("%s", text.String()); err != nil {
				return err
			}
		}
		if len(findings) > 0 {
			return Finding("%s", plural(len(findings), "finding"))
		}
		return nil
	}
	return cmd
}

// Rules of findings about schema files, and about Go types that do not match them.
const (
	ruleSchema = "schema"
	ruleGoType = "go-type"
)

// lint returns everything that is wrong with the declared system and its schema files.
func lint(app App) []topology.Finding {
	findings := app.Topology.Lint()
	if app.Schemas == nil {
		return append(findings, topology.Finding{Rule: ruleSchema, Where: "app", Problem: "has no schema files; set App.Schemas"})
	}
	add := func(rule string, err error) {
		for _, problem := range single(err) {
			findings = append(findings, topology.Finding{Rule: rule, Where: "schemas", Problem: problem.Error()})
		}
	}
	set, err := schemas.Load(app.Schemas, app.Topology)
	if err != nil || len(findings) > 0 {
		add(ruleSchema, err)
		return findings
	}
	// What is left is to compare Go types with schemas, which codecs.New does before it goes to the
	// registry. With a context that has ended it goes no further.
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	log := slog.New(slog.DiscardHandler)
	_, err = codecs.New(ended, app.Topology, topology.Names{}, set, schemas.New(schemas.Config{}, log), log)
	if !errors.Is(err, schemas.ErrUnavailable) {
		add(ruleGoType, err)
	}
	return findings
}

// lintError returns an error with all findings about the system, or nil.
func lintError(app App) error {
	findings := lint(app)
	if len(findings) == 0 {
		return nil
	}
	lines := make([]string, len(findings))
	for i, f := range findings {
		lines[i] = "\n  " + f.String()
	}
	return Finding("the declared system has %s:%s", plural(len(findings), "finding"), strings.Join(lines, ""))
}

// single returns the errors that were joined into err, directly or below one that adds context.
func single(err error) []error {
	for at := err; at != nil; at = errors.Unwrap(at) {
		if joined, ok := at.(interface{ Unwrap() []error }); ok {
			return joined.Unwrap()
		}
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
