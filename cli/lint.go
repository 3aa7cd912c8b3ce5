package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/node"
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
		findings := node.Findings(c.App.Topology, c.App.Schemas)
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
